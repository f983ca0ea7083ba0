/** An in-memory kernel for the tests of programs that use this library. */
export type { Fault, KernelPart } from './faults.js';
export { MemoryKernel, type MemoryKernelOptions } from './kernel.js';
export type { RequestRecord } from './machine.js';
export type { MemoryNamespace } from './namespace.js';
export type { MemoryPacket } from './netfilter/packets.js';
export type { CounterPlace, ForeignThing, MemoryNetfilter } from './netfilter/port.js';
export type { MemoryNetwork, SentFrame } from './network/port.js';
export type { TrafficConnection, TrafficOptions } from './traffic.js';

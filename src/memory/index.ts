/** An in-memory kernel for the tests of programs that use this library. */
export type { Fault, KernelPart } from './faults.js';
export { MemoryKernel, type MemoryKernelOptions } from './kernel.js';
export type { RequestRecord } from './machine.js';
export type { MemoryNamespace } from './namespace.js';
export type { TrafficConnection, TrafficOptions } from './traffic.js';

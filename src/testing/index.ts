/** An in-memory kernel for the tests of programs that use this library. */
export type { Fault, KernelPart } from './faults.js';
export type { RequestRecord } from './machine.js';
export { MemoryKernel, type MemoryKernelOptions } from './memory-kernel.js';
export type { MemoryNamespace } from './memory-namespace.js';
export type { TrafficConnection, TrafficOptions } from './memory-traffic.js';

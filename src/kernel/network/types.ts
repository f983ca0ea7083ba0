// Exports all types of the network from one module.
export type * from './address-types.js';
export type * from './link-types.js';
export type * from './operation-types.js';
export type * from './rule-types.js';

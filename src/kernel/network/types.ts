// All types of the network, in one place to import them from.
export type * from './address-types.js';
export type * from './link-types.js';
export type * from './operation-types.js';
export type * from './rule-types.js';

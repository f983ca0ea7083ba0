/**
 * Collects the code that plans, applies and drains, a ninth of the library. `DesiredState`, `Role` and `StateSnapshot`
 * load it at their first use, so that importing the library omits it.
 */
export { Engine, placesOf } from './apply/engine.js';
export { cancelDrain, drainId, readDrains, stepDrains } from './drain.js';
export { planSteps } from './plan/plan.js';

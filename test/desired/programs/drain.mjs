// Applies a document, drains, and goes on until it is killed: `node drain.mjs FIRST SECOND`. Says how
// each server is, and at which time (in milliseconds) it will go.
import { DesiredState } from '../../../dist/index.js';

const [first = '', second = ''] = process.argv.slice(2);
const state = await DesiredState.open(first);
await state.apply(second);
for await (const progress of state.drain({ interval: 100 }))
  console.log(JSON.stringify({ ...progress, until: Date.now() + progress.remaining }));

import type { Handler } from './handler.js';
import { missing, other, right } from './items.js';

/** Handles the times, in seconds, that IPVS remembers connections; they hold for all services of the namespace. */
export const timeout: Handler<'timeout'> = {
  name: ({ name }) => `timeout ${name}`,
  wanted: ({ seconds }) => `${seconds} s`,

  inspect({ name, seconds }, { timeouts }) {
    if (!timeouts) return missing;
    return timeouts[name] === seconds ? right : other({ path: 'seconds', is: timeouts[name], wanted: seconds });
  },

  async remember({ name }, world) {
    return { kind: 'timeout', seconds: (await (await world.ipvs).timeouts())[name] };
  },

  async make({ name, seconds }, world) {
    await (await world.ipvs).setTimeouts({ [name]: seconds });
  },

  async change({ name, seconds }, world) {
    await (await world.ipvs).setTimeouts({ [name]: seconds });
  },

  async takeBack({ name, seconds }, before, world) {
    const ipvs = await world.ipvs;
    if (before?.kind === 'timeout' && (await ipvs.timeouts())[name] === seconds)
      await ipvs.setTimeouts({ [name]: before.seconds });
  },
};

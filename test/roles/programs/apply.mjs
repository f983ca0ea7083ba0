// Takes a role, and is killed in the middle: `node apply.mjs DESCRIPTION NAMESPACE CHANGE`, before that
// change of the kernel. Without a namespace it takes the role where it is, and says how that ends.
import { Role } from '../../../out/modules/index.js';
import { nativeKernel } from '../../../out/modules/linux/linux-kernel.js';

const [description = '', namespace, change] = process.argv.slice(2);
let left = Number(change);

/** @template {object} T @param {T} port @returns {T} */
function wrap(port) {
  return new Proxy(port, {
    get(target, name) {
      if (['apply', 'commit', 'sendFrame', 'writeFile'].includes(String(name)) && --left === 0)
        process.kill(process.pid, 'SIGKILL');
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** @type {import('../../../out/modules/kernel/index.js').Kernel} */
const kernel = {
  ...nativeKernel,
  openIpvs: async (options) => wrap(await nativeKernel.openIpvs(options)),
  openNetfilter: async (options) => wrap(await nativeKernel.openNetfilter(options)),
  openNetwork: async (options) => wrap(await nativeKernel.openNetwork(options)),
};
try {
  const role = await Role.open(JSON.parse(description), { kernel, ...(namespace && { namespace }) });
  await role.apply();
  console.log('applied');
} catch (error) {
  const { code, cause, message } = /** @type {import('../../../out/modules/index.js').IpvsError} */ (error);
  const { code: reason } = /** @type {Partial<import('../../../out/modules/index.js').IpvsError>} */ (cause ?? {});
  console.log([code, reason, message].join('\n'));
}

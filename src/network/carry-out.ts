import type { IpvsError } from '../kernel/errors.js';
import type { CallOptions } from '../kernel/kernel.js';
import type { NetworkOperation } from '../kernel/network/types.js';
import type { Context } from './context.js';
import { Deletes, isCareful } from './deletes.js';

/** Operations in as few calls as the kernel takes, in their order; for each its error, if it failed. */
export async function carryOut(
  context: Context,
  operations: readonly NetworkOperation[],
  options: CallOptions | undefined,
): Promise<(IpvsError | undefined)[]> {
  const errors: (IpvsError | undefined)[] = [];
  let some: { operation: NetworkOperation; place: number }[] = [];
  let deletes: Deletes | undefined;
  const send = async (): Promise<void> => {
    const sent = some;
    some = [];
    const ended = await context.send(
      sent.map(({ operation }) => operation),
      options,
    );
    sent.forEach(({ place }, index) => {
      errors[place] = ended[index];
    });
  };
  for (const [place, operation] of operations.entries()) {
    errors.push(undefined);
    if (!isCareful(operation)) {
      deletes = undefined;
      some.push({ operation, place });
      continue;
    }
    // What is read is to be as it is then; deletes one behind the other are told of each other.
    if (!deletes || operation.operation === 'delete-address') {
      await send();
      deletes = new Deletes(context, options);
    }
    const checked = await deletes.check(operation);
    if ('operation' in checked) some.push({ operation: checked, place });
    else errors[place] = checked;
  }
  await send();
  return errors;
}

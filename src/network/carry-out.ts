import { Errno } from '../common/errno.js';
import type { IpvsError } from '../common/errors.js';
import { LONGEST_MAIN_NAME } from '../common/interface-name.js';
import type { CallOptions } from '../kernel/call.js';
import type { NetworkOperation, RoutingRuleSettings } from '../kernel/network/types.js';
import type { Context } from './context.js';
import { Deletes, isCareful, ruleWithMainNames } from './deletes.js';
import { requestOf } from './describe.js';
import { errorFor, translate } from './errors.js';

type AddRule = Extract<NetworkOperation, { operation: 'add-rule' }>;

function namesInterface({ inputInterface, outputInterface }: RoutingRuleSettings): boolean {
  return inputInterface !== undefined || outputInterface !== undefined;
}

/**
 * Returns true if a name is too long for a main name. A rule may name an interface that does not exist yet, but not by
 * an alternative name.
 */
function isTooLong({ inputInterface = '', outputInterface = '' }: RoutingRuleSettings): boolean {
  return [inputInterface, outputInterface].some((name) => Buffer.byteLength(name) > LONGEST_MAIN_NAME);
}

/**
 * Sends the operations in their order, in as few calls as the kernel takes. Returns an error, or undefined, for each.
 */
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
  const resolved = async (operation: AddRule): Promise<NetworkOperation | IpvsError> => {
    const request = requestOf(operation);
    try {
      const rule = await ruleWithMainNames(context, operation.rule, options);
      return isTooLong(rule) ? errorFor(request, Errno.ENODEV) : { ...operation, rule };
    } catch (error) {
      throw translate(request, error);
    }
  };
  for (const [place, operation] of operations.entries()) {
    errors.push(undefined);
    if (!isCareful(operation)) {
      deletes = undefined;
      if (operation.operation !== 'add-rule' || !namesInterface(operation.rule)) {
        some.push({ operation, place });
        continue;
      }
      // Read the interfaces as the changes before the rule leave them.
      await send();
      const rule = await resolved(operation);
      if ('operation' in rule) some.push({ operation: rule, place });
      else errors[place] = rule;
      continue;
    }
    // Send the earlier changes before reading. Consecutive deletes share one reading, and know of each other.
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

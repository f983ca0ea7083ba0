// Roles and documents take a signal and a timeout in every call; what was given up before its turn did nothing.
import { expect, test } from 'vitest';
import { type CallOptions, type DesiredDocument, DesiredState, Role } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const document: DesiredDocument = { owner: 'test', sysctls: { 'net.ipv4.ip_forward': 1 } };
const calls = {
  role: {
    plan: (role: Role, call: CallOptions) => role.plan(call),
    apply: (role: Role, call: CallOptions) => role.apply(call),
    verify: (role: Role, call: CallOptions) => role.verify(call),
    remove: (role: Role, call: CallOptions) => role.remove(call),
  },
  state: {
    plan: (state: DesiredState, call: CallOptions) => state.plan(undefined, call),
    apply: (state: DesiredState, call: CallOptions) => state.apply(undefined, call),
    remove: (state: DesiredState, call: CallOptions) => state.remove(call),
    snapshot: (state: DesiredState, call: CallOptions) => state.snapshot(call),
    draining: (state: DesiredState, call: CallOptions) => state.draining(call),
    drain: (state: DesiredState, call: CallOptions) => state.drain(call).next(),
    cancelDrain: (state: DesiredState, call: CallOptions) =>
      state.cancelDrain(
        { service: { protocol: 'tcp', address: '192.0.2.1', port: 80 }, server: { address: '10.0.0.1', port: 80 } },
        call,
      ),
    watch: (state: DesiredState, call: CallOptions) => state.watch(call),
  },
} as const;

async function open() {
  const kernel = new MemoryKernel();
  const role = await Role.open({ role: 'real-server', vip: '192.0.2.1', interface: 'lo' }, { kernel });
  return { kernel, role, state: await DesiredState.open(document, { kernel }) };
}

async function expectRefused(work: (call: CallOptions) => Promise<unknown>): Promise<void> {
  await expect(work({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  for (const call of [{ timeout: -1 }, { timeout: 'x' }, { signal: {} }, { tiemout: 1 }])
    await expect(work(call as CallOptions), JSON.stringify(call)).rejects.toMatchObject({
      code: 'ERR_IPVS_INVALID_ARGUMENT',
    });
}

test.each(Object.entries(calls.role))('%s of a role', async (_, call) => {
  const { kernel, role } = await open();
  const before = kernel.requests.length;
  await expectRefused(async (options) => call(role, options));
  expect(kernel.requests.length).toBe(before);
});

test.each(Object.entries(calls.state))('%s of a document', async (_, call) => {
  const { kernel, state } = await open();
  const before = kernel.requests.length;
  await expectRefused(async (options) => call(state, options));
  expect(kernel.requests.length).toBe(before);
});

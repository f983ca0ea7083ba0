// Work on large documents and tables lets the event loop turn, and returns what it would return in one turn.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { forEachInSlices, mapInSlices } from '../../src/common/slices.js';
import { parseJson } from '../../src/desired/document/json-text.js';
import { CheckedDocument, type DesiredDocument, DesiredState } from '../../src/index.js';
import { MemoryKernel } from '../../src/memory/index.js';

const numbers = Array.from({ length: 1000 }, (_, index) => index);

/** Keeps the processor busy for a tenth of a millisecond. */
function work(): void {
  for (const end = performance.now() + 0.1; performance.now() < end; );
}

/** Runs `work`, and returns the number of turns of the event loop that others had meanwhile. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let over = false;
  const count = (): void => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  await work();
  over = true;
  return turns;
}

describe('a long loop', () => {
  test('lets the event loop turn', async () => {
    expect(await turnsDuring(() => forEachInSlices(numbers, work))).toBeGreaterThan(5);
  });

  test('returns what map() returns, in order', async () => {
    const mapped = await mapInSlices(numbers, (number, index) => {
      work();
      return number * 2 + index;
    });
    expect(mapped).toEqual(numbers.map((number) => number * 3));
  });

  test('ends with the reason of its signal between two slices', async () => {
    const aborting = new AbortController();
    let done = 0;
    const loop = forEachInSlices(
      numbers,
      () => {
        done++;
        work();
      },
      aborting.signal,
    );
    setImmediate(() => aborting.abort(new Error('enough')));
    await expect(loop).rejects.toThrow('enough');
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(numbers.length);
  });

  test('rejects with the error of an element, and does not call the later ones', async () => {
    const seen: number[] = [];
    const loop = forEachInSlices(numbers, (number) => {
      work();
      seen.push(number);
      if (number === 500) throw new RangeError('five hundred');
    });
    await expect(loop).rejects.toThrow('five hundred');
    expect(seen).toHaveLength(501);
  });

  test('goes on beside another one: each turn has a slice of one of them', async () => {
    const order: number[] = [];
    await Promise.all(
      [0, 1, 2].map((loop) =>
        forEachInSlices(numbers, () => {
          work();
          order.push(loop);
        }),
      ),
    );
    // None of them waits until another is over.
    for (const loop of [0, 1, 2]) expect(order.slice(0, 1500)).toContain(loop);
  });

  test('of a few elements runs in one turn', async () => {
    expect(await turnsDuring(() => forEachInSlices(numbers.slice(0, 16), () => {}))).toBe(0);
  });
});

const services = Array.from({ length: 1000 }, (_, index) => ({
  fwmark: index + 1,
  servers: ['10.0.0.1', '10.0.0.2', '10.0.0.3'],
}));
const large: DesiredDocument = { owner: 'test', services };

describe('a large document', () => {
  test('is checked and applied while the event loop turns', async () => {
    const kernel = new MemoryKernel();
    let state: DesiredState | undefined;
    expect(await turnsDuring(() => CheckedDocument.parse(large))).toBeGreaterThan(1);
    await turnsDuring(async () => {
      state = await DesiredState.open(large, { kernel });
    });
    expect(await turnsDuring(async () => expect(await state?.apply()).toHaveLength(4000))).toBeGreaterThan(1);
    expect((await state?.plan())?.empty).toBe(true);
    await state?.close();
  });

  test('as JSON is the same document', async () => {
    const { document } = await CheckedDocument.parse(JSON.stringify(large));
    expect(document).toEqual((await CheckedDocument.parse(large)).document);
    expect(Object.keys(document)).toEqual(['owner', 'services']);
  });

  test('is not checked further after its signal aborts', async () => {
    const aborting = new AbortController();
    const checking = CheckedDocument.parse(large, { signal: aborting.signal });
    setImmediate(() => aborting.abort(new Error('enough')));
    await expect(checking).rejects.toThrow('enough');
  });

  test('is not planned further after the signal of plan() aborts', async () => {
    await using state = await DesiredState.open(large, { kernel: new MemoryKernel() });
    const aborting = new AbortController();
    const planning = state.plan(undefined, { signal: aborting.signal });
    setImmediate(() => aborting.abort(new Error('enough')));
    await expect(planning).rejects.toThrow('enough');
    expect((await state.plan()).changes).toHaveLength(4000);
  });

  test('is applied whole after the signal of apply() aborts', async () => {
    await using state = await DesiredState.open(large, { kernel: new MemoryKernel() });
    const aborting = new AbortController();
    const applying = state.apply(undefined, { signal: aborting.signal });
    setImmediate(() => setImmediate(() => aborting.abort(new Error('enough'))));
    expect(await applying).toHaveLength(4000);
  });

  test('has its problems in the order of the document', async () => {
    const wrong = {
      owner: '',
      namespace: 5,
      services: [...services, { fwmark: 0 }, 'x'],
      addresses: [{}],
      other: 1,
    };
    const text = await CheckedDocument.parse(wrong as unknown as DesiredDocument).catch(({ message }) => message);
    const places = ['owner: ', 'namespace: ', 'services[1000]', 'services[1001]', 'addresses[0]', 'no option other'];
    const found = places.map((place) => text.indexOf(place));
    expect(found).not.toContain(-1);
    expect(found).toEqual(found.toSorted((a, b) => a - b));
  });

  test('can be applied twice at the same time: the second call finds nothing to do', async () => {
    await using state = await DesiredState.open(large, { kernel: new MemoryKernel() });
    const [first, second] = await Promise.all([state.apply(), state.apply()]);
    expect([first.length, second.length]).toEqual([4000, 0]);
  });
});

describe('JSON in slices', () => {
  const parsed = async (text: string): Promise<unknown> => {
    try {
      return (await parseJson(text)).value;
    } catch (error) {
      return (error as Error).name;
    }
  };
  const whole = (text: string): unknown => {
    try {
      return JSON.parse(text);
    } catch (error) {
      return (error as Error).name;
    }
  };

  test('has the value that JSON.parse returns', async () => {
    await fc.assert(
      fc.asyncProperty(fc.json(), fc.array(fc.json()), async (one, entries) => {
        for (const text of [one, `[${entries}]`, `{ "a": [${entries}], "b": ${one}, "c" : [ ${one} ] }`])
          expect(await parsed(text)).toEqual(whole(text));
      }),
    );
  });

  test('accepts the texts that JSON.parse accepts, and no others', async () => {
    const parts = ['{', '}', '[', ']', ',', ':', '"a"', '"b"', '"\\"', '1', 'true', ' ', '\u00a0', '\\', '"'];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...parts), { maxLength: 12 }), async (all) => {
        for (const text of [all.join(''), `{"a":[${all.join('')}]}`])
          expect(await parsed(text), text).toEqual(whole(text));
      }),
      { numRuns: 3000 },
    );
  });

  test.each(['{"a":[1,2],"a":3}', '{"a":[{"a":1},{"b":1,"b":2}]}', '{"x":{"a":1,"a":2}}'])(
    'reports a name that occurs twice: %s',
    async (text) => {
      expect((await parseJson(text)).repeated).toMatch(/^[ab]$/);
    },
  );
});

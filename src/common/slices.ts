/**
 * Long loops in slices: work on a table or a document of a hundred thousand rows must not stop the event loop for a
 * second. A loop of a few elements runs in one turn, as a plain loop does.
 *
 * State that was read before such a loop may have changed after it: callers hold a lock, or own the data.
 */

/** Time after which the event loop gets its turn, in milliseconds. A garbage collection may prolong a slice. */
const SLICE = 6;

/** Number of elements between two reads of the clock. Work on no more elements has no pause. */
const PART = 16;

/** Start of the current slice, in milliseconds. It is old after the event loop was idle: the next loop rests early. */
let begun = 0;

/** Loops that rest, in order. Each turn of the event loop continues one of them, so that no turn has two slices. */
const resting: (() => void)[] = [];

function resume(): void {
  begun = performance.now();
  resting.shift()?.();
  if (resting.length > 0) setImmediate(resume);
}

/**
 * Lets the event loop turn if the slice is over, within or after work on `size` elements.
 * @throws the reason of the signal
 */
export async function pauseIfDue(size: number, signal?: AbortSignal): Promise<void> {
  if (size > PART && isOver()) await pause(signal);
}

function isOver(): boolean {
  return performance.now() - begun >= SLICE;
}

async function pause(signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    if (resting.push(resolve) === 1) setImmediate(resume);
  });
  signal?.throwIfAborted();
}

/**
 * Calls `work` with each element, and lets the event loop turn in between.
 * @throws the reason of the signal, if it aborts between two slices
 */
export async function forEachInSlices<T>(
  all: Iterable<T>,
  work: (element: T, index: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  let index = 0;
  for (const element of all) {
    if (index > 0 && index % PART === 0 && isOver()) await pause(signal);
    work(element, index++);
  }
}

/** Returns what `work` returns for each element, and lets the event loop turn in between. */
export async function mapInSlices<T, Mapped>(
  all: Iterable<T>,
  work: (element: T, index: number) => Mapped,
  signal?: AbortSignal,
): Promise<Mapped[]> {
  const mapped: Mapped[] = [];
  await forEachInSlices(
    all,
    (element, index) => {
      mapped.push(work(element, index));
    },
    signal,
  );
  return mapped;
}

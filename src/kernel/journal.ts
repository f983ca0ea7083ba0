import type { CallOptions } from './kernel.js';

/**
 * A small file in which a program notes what it makes, so that another one can go on or take it
 * back. Whoever has it open has it alone. It outlives the program, not the machine: what it tells
 * of does not either. Failures are `KernelFailure`s.
 */
export interface JournalPort {
  /** All of it; `undefined`: there is none. */
  read(): Promise<string | undefined>;
  /** At the end; ENOENT if there is none. Of a text that was being written when the program died a part may stand there. */
  append(text: string): Promise<void>;
  /** The old one or the new one, whenever the program stops. An empty text: none. */
  replace(text: string): Promise<void>;
  /** Others may have it. */
  close(): Promise<void>;
}

/** Opens a journal, and waits for those who have it: ETIMEDOUT, or the signal's reason. */
export type OpenJournal = (path: string, options?: CallOptions) => Promise<JournalPort>;

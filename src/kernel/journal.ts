import type { CallOptions } from './kernel.js';

/** The most bytes that a journal holds: 64 MiB, which is enough for two million servers. */
export const MAX_JOURNAL = 64 * 1024 * 1024;

/**
 * A small file in which a program notes what it makes, so that another one can go on or take it
 * back. Whoever has it open has it alone. It outlives the program, not the machine: what it tells
 * of does not either. Failures are `KernelFailure`s: EPERM for a file or a directory that other users than root and
 * the caller may write, EINVAL for what is not a regular file.
 */
export interface JournalPort {
  /** All of it; `undefined`: there is none. EFBIG if it is larger than {@link MAX_JOURNAL}. */
  read(): Promise<string | undefined>;
  /** At the end; ENOENT if there is none, EFBIG if it becomes larger than {@link MAX_JOURNAL}. Of a text that was being written when the program died a part may stand there. */
  append(text: string): Promise<void>;
  /** Replaces the text atomically; an empty text deletes the file. EFBIG as above. */
  replace(text: string): Promise<void>;
  /** Others may have it. */
  close(): Promise<void>;
}

/** Opens a journal, and waits for those who have it: ETIMEDOUT, or the signal's reason. */
export type OpenJournal = (path: string, options?: CallOptions) => Promise<JournalPort>;

/** The text of a journal, and where it is. */
export interface JournalText {
  readonly path: string;
  readonly text: string;
}

/**
 * Reads all journals whose path begins with `prefix`: the name of a directory and the beginning of file names. Takes no
 * lock, so the end of a text may be missing. Leaves out files that cannot be read.
 */
export type ReadJournals = (prefix: string) => Promise<readonly JournalText[]>;

import type { CallOptions } from './call.js';

/** Maximum size of a journal, in bytes: 64 MiB, which is enough for two million servers. */
export const MAX_JOURNAL = 64 * 1024 * 1024;

/**
 * A small file in which a program records the objects that it creates, so that another one can resume or
 * delete them. Opening takes an exclusive lock. Like these objects, the file survives the program but not a restart
 * of the machine. Failures are `KernelFailure`s: EPERM for a file or a directory that users other than root and
 * the caller may write, EINVAL for a file that is not regular.
 */
export interface JournalPort {
  /** Reads the whole text; `undefined` if the file does not exist. EFBIG if it is larger than {@link MAX_JOURNAL}. */
  read(): Promise<string | undefined>;
  /**
   * Appends a text. ENOENT if the file does not exist, EFBIG if it becomes larger than {@link MAX_JOURNAL}. If the
   * program is killed meanwhile, the file may end with a part of the text.
   */
  append(text: string): Promise<void>;
  /** Replaces the text atomically; an empty text deletes the file. EFBIG if it is larger than {@link MAX_JOURNAL}. */
  replace(text: string): Promise<void>;
  /** Closes the journal and releases its lock. */
  close(): Promise<void>;
}

/** Opens a journal and waits for its lock. Rejects with ETIMEDOUT or the signal's reason. */
export type OpenJournal = (path: string, options?: CallOptions) => Promise<JournalPort>;

/** Returns the absolute path of a journal, the same for every spelling: symbolic links of directories are followed. */
export type JournalPath = (path: string) => Promise<string>;

/** The path and the text of a journal. */
export interface JournalText {
  /** Absolute path of the journal. */
  readonly path: string;
  /** Text of the journal, as far as it was written. */
  readonly text: string;
}

/**
 * Reads all journals whose path begins with `prefix`: the name of a directory and the beginning of file names. Takes no
 * lock, so the end of a text may be missing. Omits files that cannot be read.
 */
export type ReadJournals = (prefix: string) => Promise<readonly JournalText[]>;

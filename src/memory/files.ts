import { Errno } from '../common/errno.js';

/** A file that computes its text when it is read, or has an effect when it is written. */
export interface MemoryFile {
  /** Returns the text, or an errno. */
  read(): string | number;
  /** Writes the file; returns an errno, 0 for success. Without this method the file is read-only. */
  write?(text: string): number;
}

/** Converts a written text to the new content of the file, or rejects it with an errno. */
export type AcceptText = (text: string) => string | number;

/**
 * The files of /proc and /sys of one network namespace, by the paths that the ports use
 * (`/proc/sys/net/ipv4/ip_forward`, `/proc/thread-self/net/ip_vs_stats`). Any other path fails with ENOENT.
 */
export class MemoryFiles {
  readonly #files = new Map<string, MemoryFile>();

  /** Adds a writable file with this text; `accept` checks what is written. */
  set(path: string, text: string, accept: AcceptText = (written) => line(written)): void {
    let now = text;
    this.#files.set(path, {
      read: () => now,
      write: (written) => {
        const accepted = accept(written);
        if (typeof accepted === 'number') return accepted;
        now = accepted;
        return 0;
      },
    });
  }

  define(path: string, file: MemoryFile): void {
    this.#files.set(path, file);
  }

  delete(path: string): void {
    this.#files.delete(path);
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  /** Returns true if a path of a file passes the test. */
  some(test: (path: string) => boolean): boolean {
    for (const path of this.#files.keys()) if (test(path)) return true;
    return false;
  }

  /** Returns the text of each file, or an errno. */
  read(paths: readonly string[]): (string | number)[] {
    return paths.map((path) => this.#files.get(path)?.read() ?? Errno.ENOENT);
  }

  /** Returns the number in a file; 0 if there is none. */
  number(path: string): number {
    const text = this.#files.get(path)?.read();
    return typeof text === 'string' ? Number.parseInt(text, 10) || 0 : 0;
  }

  /** Writes a file; returns an errno, 0 for success. */
  write(path: string, text: string): number {
    const file = this.#files.get(path);
    if (!file) return Errno.ENOENT;
    return file.write ? file.write(text) : Errno.EACCES;
  }
}

/** Returns a written text as the kernel shows it: without surrounding white space, and with a line feed. */
function line(text: string): string {
  return `${text.trim()}\n`;
}

/** Accepts integers, like `proc_dointvec`; EINVAL for other texts and values out of range. */
export function integers(count = 1, least = -0x80000000, most = 0x7fffffff): AcceptText {
  return (text) => {
    const words = text.trim().split(/\s+/);
    const fine = words.every((word) => /^-?\d+$/.test(word) && Number(word) >= least && Number(word) <= most);
    return fine && words.length === count ? `${words.map(Number).join('\t')}\n` : Errno.EINVAL;
  };
}

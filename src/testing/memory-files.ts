import { Errno } from '../kernel/errno.js';

/** A file whose text is worked out when somebody asks, or that does something when it is written. */
export interface MemoryFile {
  /** The text, or an errno. */
  read(): string | number;
  /** An errno, 0 for success. Without it the file is read-only. */
  write?(text: string): number;
}

/** What a file makes of a text that is written: what is to stand in it, or an errno. */
export type AcceptText = (text: string) => string | number;

/**
 * The files of /proc and /sys that one network namespace has, by their paths as the ports name them
 * (`/proc/sys/net/ipv4/ip_forward`, `/proc/thread-self/net/ip_vs_stats`). What nobody has set is not
 * there: ENOENT.
 */
export class MemoryFiles {
  readonly #files = new Map<string, MemoryFile>();

  /** A file with this text, which may be written; `accept` looks at what is. */
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

  /** Whether there is a file with such a path. */
  some(test: (path: string) => boolean): boolean {
    for (const path of this.#files.keys()) if (test(path)) return true;
    return false;
  }

  /** Of each its text, or an errno. */
  read(paths: readonly string[]): (string | number)[] {
    return paths.map((path) => this.#files.get(path)?.read() ?? Errno.ENOENT);
  }

  /** The number that stands in a file; 0 if there is none. */
  number(path: string): number {
    const text = this.#files.get(path)?.read();
    return typeof text === 'string' ? Number.parseInt(text, 10) || 0 : 0;
  }

  /** An errno, 0 for success. */
  write(path: string, text: string): number {
    const file = this.#files.get(path);
    if (!file) return Errno.ENOENT;
    return file.write ? file.write(text) : Errno.EACCES;
  }
}

/** As the kernel shows what was written: without what stood around it, and with a line feed. */
function line(text: string): string {
  return `${text.trim()}\n`;
}

/** Takes integers, as `proc_dointvec` does; EINVAL for what is none or out of range. */
export function integers(count = 1, least = -0x80000000, most = 0x7fffffff): AcceptText {
  return (text) => {
    const words = text.trim().split(/\s+/);
    const fine = words.every((word) => /^-?\d+$/.test(word) && Number(word) >= least && Number(word) <= most);
    return fine && words.length === count ? `${words.map(Number).join('\t')}\n` : Errno.EINVAL;
  };
}

import type { CallOptions } from '../kernel/call.js';
import type { NativeHandle } from './addon.js';
import type { Sender } from './requests.js';

interface FileReplies {
  readFiles: readonly (string | number)[];
  writeFile: undefined;
}

/** The files of the network namespace of a session, and the end of the session. */
export abstract class SessionFiles {
  readonly #sender: Sender<NativeHandle, FileReplies>;

  constructor(sender: Sender<NativeHandle, FileReplies>) {
    this.#sender = sender;
  }

  /** Reads files of /proc and /sys in this namespace. Returns the text of each, or an errno. */
  readFiles(paths: readonly string[], options: CallOptions = {}): Promise<readonly (string | number)[]> {
    return this.#sender.send('readFiles', [paths], options);
  }

  async writeFile(path: string, text: string, options: CallOptions = {}): Promise<void> {
    await this.#sender.send('writeFile', [path, text], options);
  }

  close(): Promise<void> {
    return this.#sender.close();
  }
}

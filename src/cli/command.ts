/** A command of the program `ipvs`. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** Text of `ipvs COMMAND --help`. */
  readonly help: string;
  /**
   * Carries out the command with the words that follow its name.
   * @throws UsageError, CommandFailure
   */
  run(words: readonly string[]): void | Promise<void>;
}

/** The command line is wrong: the program ends with exit status 2. */
export class UsageError extends Error {}

/** The command cannot be carried out, for a reason that the user can act on: the program ends with exit status 1. */
export class CommandFailure extends Error {}

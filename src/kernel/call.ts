/**
 * The options of a call, which limit the wait for one request. After a timeout or an abort the library
 * sends nothing more (of many changes, the remaining ones); the kernel executes messages that were sent.
 */
export interface CallOptions {
  /** Signal that ends the wait. The call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Time limit for one request, 1 to 2 147 483 647 milliseconds, or `Infinity`. The call then rejects with
   * `ERR_IPVS_TIMEOUT`. Default: the time limit of the handle, 30 000.
   */
  readonly timeout?: number | undefined;
}

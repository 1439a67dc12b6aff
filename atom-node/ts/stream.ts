/// <reference lib="esnext.disposable" preserve="true" />
import type { AtomError } from "./errors.js";

/** How many items may wait here before the engine is asked to wait. */
const MAX_WAITING_ITEMS = 256;

/** What a stream needs of its connection. */
export interface StreamSource {
  /** Asks the engine to send no further items for now. */
  pause(): void;
  /** Asks the engine to go on. */
  resume(): void;
  /** Ends the stream in the engine. */
  cancel(): void;
  /** Keeps the event loop alive until `release`. */
  hold(): void;
  /** Undoes `hold`. */
  release(): void;
}

interface Waiting<Item> {
  resolve(result: IteratorResult<Item, undefined>): void;
  reject(error: AtomError): void;
}

const END = { done: true, value: undefined } as const;

/**
 * The items of a stream operation, for `for await`.
 *
 * It begins when it is made, and ends when the operation does, when a loop over it is left and with `return`. Items
 * that nobody takes hold the operation up, so end every stream. It keeps the event loop alive only while somebody
 * waits for an item.
 */
export class Stream<Item> implements AsyncIterableIterator<Item, undefined> {
  readonly #source: StreamSource;
  readonly #items: Item[] = [];
  readonly #waiting: Array<Waiting<Item>> = [];
  #isPaused = false;
  #isEnded = false;
  #error: AtomError | undefined;

  /** @internal */
  constructor(source: StreamSource) {
    this.#source = source;
  }

  /** The next item. */
  next(): Promise<IteratorResult<Item, undefined>> {
    const item = this.#items.shift();
    if (item !== undefined) {
      if (this.#isPaused && this.#items.length === 0) {
        this.#isPaused = false;
        this.#source.resume();
      }
      return Promise.resolve({ done: false, value: item });
    }
    if (this.#isEnded) {
      const error = this.#error;
      this.#error = undefined;
      return error === undefined ? Promise.resolve(END) : Promise.reject(error);
    }
    this.#source.hold();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Ends the stream. Items that were not taken are lost; most streams go on from any offset. */
  return(): Promise<IteratorResult<Item, undefined>> {
    this.#items.length = 0;
    this.#error = undefined;
    if (!this.#isEnded) {
      this.#source.cancel();
      this.finish();
    }
    return Promise.resolve(END);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** @internal Takes an item of the engine. */
  receive(item: Item): void {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      this.#source.release();
      waiting.resolve({ done: false, value: item });
      return;
    }
    this.#items.push(item);
    if (!this.#isPaused && this.#items.length >= MAX_WAITING_ITEMS) {
      this.#isPaused = true;
      this.#source.pause();
    }
  }

  /** @internal Ends the stream for whoever iterates; the first to notice gets the error. */
  finish(error?: AtomError): void {
    if (this.#isEnded) {
      return;
    }
    this.#isEnded = true;
    this.#error = error;
    for (const waiting of this.#waiting.splice(0)) {
      this.#source.release();
      if (this.#error !== undefined) {
        waiting.reject(this.#error);
        this.#error = undefined;
      } else {
        waiting.resolve(END);
      }
    }
  }
}

/** Load several copies of a model at once, each in a Worker and a runtime of its own. */

import { makeError } from './channel.js';
import { verbs as own } from './runtime.js';

/**
 * Load the model here and, at the same time, `copies - 1` times beside; the others are let go before this returns.
 *
 * `took_ms` runs until the last copy is ready. `init`, `fetch` and `session` are the arguments of those verbs, and in the
 * answer what they answered for the copy that stays.
 * @param {{copies: number, init: object, fetch: object, session: object}} args
 */
async function loadCopies({ copies, ...steps }) {
  const script = new URL('./worker.js', import.meta.url);
  const others = Array.from({ length: copies - 1 }, () => new Worker(script, { type: 'module' }));
  const begin = performance.now();
  try {
    const [mine, ...ends] = await Promise.all([loadHere(steps), ...others.map((other) => loadThere(other, steps))]);
    return { ...mine, ends_ms: [mine.end_ms, ...ends].map((end) => end - begin), took_ms: performance.now() - begin };
  } finally {
    for (const other of others) other.terminate();
  }
}

async function loadHere(steps) {
  const answers = {};
  for (const verb of ['init', 'fetch', 'session']) answers[verb] = await own[verb](steps[verb], { id: 0 });
  return { ...answers, end_ms: performance.now() };
}

async function loadThere(worker, steps) {
  for (const verb of ['init', 'fetch', 'session']) await ask(worker, verb, steps[verb]);
  return performance.now();
}

function ask(worker, verb, args) {
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(`a copy could not start: ${event.message}`));
    worker.onmessage = ({ data: { ok, value, error } }) => {
      if (ok) resolve(value);
      else reject(makeError(error.name, `in a copy: ${error.message}`));
    };
    worker.postMessage({ id: 0, verb, args });
  });
}

export const verbs = { copies: loadCopies };

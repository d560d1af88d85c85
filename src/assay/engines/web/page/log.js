/**
 * What the runtime writes to the console, so that it can be read instead.
 *
 * Its WebAssembly binds the console's methods when it starts, so they are replaced before that, once, and pass on what
 * nobody listens for.
 */

const METHODS = ['debug', 'log', 'info', 'warn', 'error'];

/** Where lines go while somebody listens; null while nobody does. */
let lines = null;

for (const name of METHODS) {
  const write = console[name].bind(console);
  console[name] = (...parts) => (lines === null ? write(...parts) : lines.push(parts.map(String).join(' ')));
}

/**
 * Collect what is written while `work` runs, instead of writing it.
 * @param {() => Promise<unknown>} work
 * @returns {Promise<string[]>}
 */
export async function listen(work) {
  const heard = [];
  lines = heard;
  try {
    await work();
  } finally {
    lines = null;
  }
  return heard;
}

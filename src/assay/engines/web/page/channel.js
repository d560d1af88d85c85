/** How the Worker reaches the server: large answers, unasked events, and errors in words. */

/** The server's address with the token of this launch; this file lies one folder below. */
export const BASE = new URL('../', import.meta.url);

/**
 * Bring a file of this launch into memory.
 * @param {string} address of the file, relative to the server's with the token
 * @returns {Promise<Uint8Array>}
 */
export async function fetchBytes(address) {
  const response = await fetch(new URL(address, BASE));
  if (!response.ok) throw new Error(`${response.url} cannot be fetched: HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Listeners for what makes every further job pointless, such as a lost device. */
const listeners = new Set();

/**
 * POST the bytes of one named part of an answer. To be awaited before the answer itself is given.
 * @param {number} id of the job
 * @param {string} name letters, digits, `-`, `_` and `.`
 * @param {ArrayBufferView} bytes
 */
export async function postBlob(id, name, bytes) {
  // A view on shared memory cannot be a body.
  const end = bytes.byteOffset + bytes.byteLength;
  const own = bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes.buffer).slice(bytes.byteOffset, end);
  const response = await fetch(new URL(`blobs/${id}/${name}`, BASE), { method: 'POST', body: own });
  if (!response.ok) throw new Error(`the server refused ${name} of ${bytes.byteLength} bytes: HTTP ${response.status}`);
}

/**
 * Tell the server something it did not ask for. Never throws: where it cannot be said, nobody listens.
 * @param {string} event
 * @param {unknown} detail
 */
export function tell(event, detail) {
  const body = JSON.stringify({ event, detail });
  const headers = { 'Content-Type': 'application/json' };
  fetch(new URL('events', BASE), { method: 'POST', body, headers }).catch(() => {});
}

/** @param {(error: Error) => void} listener called where the device under the model is gone */
export function onFault(listener) {
  listeners.add(listener);
}

/**
 * Say that the device under the model is gone: to the server, and to the job that waits for it.
 * @param {string} event `device_lost`, `context_lost` or `gpu_error`
 * @param {Error} error
 */
export function announceFault(event, error) {
  tell(event, error.message);
  for (const listener of listeners) listener(error);
}

/**
 * Whatever was thrown, as an object that can be sent. WebAssembly built without exceptions throws bare numbers.
 * @param {unknown} error
 * @returns {{name: string, message: string, stack: string}}
 */
export function describeError(error) {
  if (typeof error === 'number') {
    const message = `an exception inside WebAssembly (address ${error}), most often std::bad_alloc`;
    return { name: 'WebAssemblyException', message, stack: '' };
  }
  const { name = 'Error', message = String(error), stack = '' } = error ?? {};
  return { name: String(name), message: String(message), stack: String(stack) };
}

/** An error with a name of its own, by which the engine tells what to advise. */
export function makeError(name, message) {
  return Object.assign(new Error(message), { name });
}

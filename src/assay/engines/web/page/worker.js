/**
 * The module Worker that holds the model: takes one job after another and answers each of them once.
 *
 * It runs apart from the page's main thread, so that the page can still speak while a model computes or hangs. Jobs are
 * `{id, verb, args}`, answers `{id, ok: true, value}` or `{id, ok: false, error}`; what nobody asked for (a lost device,
 * an error outside a job) goes to the server by itself.
 */

import * as abilities from './abilities.js';
import * as copies from './copies.js';
import { describeError, onFault, tell } from './channel.js';
import * as placement from './placement.js';
import * as runtime from './runtime.js';

/**
 * What a job may ask for. Verbs get the arguments and the job, whose id their blobs carry.
 * @type {Record<string, (args: any, job: {id: number}) => Promise<unknown> | unknown>}
 */
export const verbs = { ...abilities.verbs, ...copies.verbs, ...placement.verbs, ...runtime.verbs };

/** Verbs in files that few pages need: they are loaded when first asked for. */
const files = { preprocess: './audio.js', preprocess_chunk: './audio.js', preprocess_outputs: './audio.js' };

/** How long a lost device may take to be told of. */
const NOTICE_MS = 1000;

/** The job that waits for its answer: a lost device answers it, for the runtime may never return. */
let pending = null;
let turn = Promise.resolve();
let giveUp;
/** Settled once nothing will come of a job any more: what still waits for it is waited for no longer. */
const lost = new Promise((resolve) => {
  giveUp = resolve;
});

self.addEventListener('message', ({ data: job }) => {
  turn = turn.then(() => Promise.race([work(job), lost]));
});

async function work(job) {
  pending = job;
  try {
    const fault = runtime.fault();
    if (fault !== null && job.verb !== 'release') throw fault;
    answer(job, { ok: true, value: (await (await find(job.verb))(job.args ?? {}, job)) ?? null });
  } catch (error) {
    answer(job, { ok: false, error: describeError(await explain(error)) });
  }
}

/** What broke a job: a device that is lost says so a moment later than the calls on it fail. */
async function explain(error) {
  if (runtime.hasDevice() && runtime.fault() === null) await Promise.race([lost, pause(NOTICE_MS)]);
  return runtime.fault() ?? error;
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function find(verb) {
  if (!(verb in verbs) && verb in files) Object.assign(verbs, (await import(files[verb])).verbs);
  if (!Object.hasOwn(verbs, verb)) throw new RangeError(`the page has no verb ${JSON.stringify(verb)}`);
  return verbs[verb];
}

function answer(job, outcome) {
  if (pending !== job) return;
  pending = null;
  self.postMessage({ id: job.id, ...outcome });
}

onFault(fail);

function fail(error) {
  if (pending !== null) answer(pending, { ok: false, error: describeError(error) });
  giveUp();
}

self.addEventListener('error', (event) => tell('worker_error', `${event.message} (${event.filename}:${event.lineno})`));
self.addEventListener('unhandledrejection', async ({ reason }) => {
  tell('worker_error', describeError(reason).message);
  const job = pending;
  if (job === null) return;
  // The runtime waits for ever for what was refused where it does not look, such as a graph of WebNN's.
  const error = await explain(reason);
  if (pending === job) fail(error);
});

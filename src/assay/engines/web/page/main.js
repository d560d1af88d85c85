/**
 * The page's own thread: takes jobs from the server, hands them to the Worker that holds the model, and posts the answers.
 *
 * It computes nothing, so that it can still answer while the model runs or hangs. Jobs come down an event stream; nothing
 * is asked for on a timer while a launch is on. In a person's own browser the page outlives a launch: it then looks for
 * the server of the next one and starts afresh.
 */

import { BASE, describeError, tell } from './channel.js';
import { clockResolution } from './clock.js';

const NEXT_LAUNCH_MS = 1000;

/** The Worker, and the jobs that it has not answered yet. */
let worker = null;
const pending = new Set();

/** Why this Worker will never answer: its scripts did not load. Null while it may. */
let workerProblem = null;

/** What a visitor reads while a job is done; others are short. */
const WORDS = {
  init: 'Starting the runtime.', fetch: 'Fetching the model.', session: 'Preparing the model.', copies: 'Preparing the model.',
  chunk: 'Measuring.', outputs: 'Checking the answers.', placement: 'Looking at where the model ran.', preprocess: 'Measuring.',
};

/** What this page does itself; everything else is the Worker's. */
const verbs = { hello, restart_worker: restartWorker };

/** What the server said about this launch: its name, whether a person opened the page, whether another page has it. */
const launch = await readLaunch();
if (launch === null) show('There is no server here any more.', 'Start the run again and open its address.');
else if (launch.is_taken) show('Another page is at work.', 'This launch has a page already. Close one of the two.');
else await begin();

async function begin() {
  if (launch.is_visit) {
    show('Waiting for this tab to be in front.', 'Browsers slow hidden tabs down.');
    await becomeVisible();
    await stayAwake();
  }
  show('Ready.', launch.is_visit ? 'Leave this tab in front until the run has ended.' : '');
  restartWorker();
  const stream = new EventSource(new URL('jobs', BASE));
  stream.addEventListener('message', ({ data }) => take(JSON.parse(data)));
  stream.addEventListener('bye', () => leave(stream));
  stream.addEventListener('error', () => leave(stream));
  window.addEventListener('pagehide', () => {
    navigator.sendBeacon(new URL('events', BASE), JSON.stringify({ event: 'page_hide', detail: null }));
  });
  document.addEventListener('visibilitychange', () => tell('visibility', document.visibilityState));
}

/** @param {{id: number, verb: string, args: object}} job */
async function take(job) {
  if (launch.is_visit && job.verb in WORDS) show(WORDS[job.verb], 'Leave this tab in front until the run has ended.');
  if (!Object.hasOwn(verbs, job.verb)) {
    pending.add(job.id);
    if (workerProblem === null) worker.postMessage(job);
    else failPending(workerProblem);
    return;
  }
  try {
    await reply({ id: job.id, ok: true, value: (await verbs[job.verb](job.args)) ?? null });
  } catch (error) {
    await reply({ id: job.id, ok: false, error: describeError(error) });
  }
}

/** @param {{id: number, ok: boolean, value?: unknown, error?: object}} answer */
async function reply({ id, ...outcome }) {
  pending.delete(id);
  let body;
  try {
    body = JSON.stringify(outcome);
  } catch (error) {
    body = JSON.stringify({ ok: false, error: describeError(error) });
  }
  // Where it cannot be posted the stream is broken too, and the server knows.
  await fetch(new URL(`replies/${id}`, BASE), { method: 'POST', body, headers: { 'Content-Type': 'application/json' } }).catch(() => {});
}

/** A fresh Worker: whatever the old one held is gone, and what it was asked for is answered. */
function restartWorker() {
  worker?.terminate();
  failPending({ name: 'WorkerEnded', message: 'the Worker was started again', stack: '' });
  workerProblem = null;
  let hasSpoken = false;
  worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module', name: 'assay' });
  worker.addEventListener('message', ({ data }) => {
    hasSpoken = true;
    reply(data);
  });
  worker.addEventListener('messageerror', () => failPending({ name: 'DataCloneError', message: 'an answer could not be read', stack: '' }));
  worker.addEventListener('error', (event) => {
    // A script that does not load has no message. An error inside a job is answered by the job itself.
    const message = event.message ? `${event.message} (${event.filename}:${event.lineno})` : "the Worker's scripts could not be loaded";
    const problem = { name: 'WorkerError', message, stack: '' };
    if (!hasSpoken) workerProblem = problem;
    tell('worker_error', message);
    failPending(problem);
  });
  return {};
}

function failPending(error) {
  for (const id of [...pending]) reply({ id, ok: false, error });
}

/** What can be said of this browser without the Worker. */
async function hello() {
  const { brand, version } = await readBrand();
  return {
    user_agent: navigator.userAgent,
    brand,
    version,
    platform: navigator.userAgentData?.platform ?? navigator.platform ?? null,
    is_mobile: navigator.userAgentData?.mobile ?? null,
    cross_origin_isolated: self.crossOriginIsolated === true,
    is_secure: self.isSecureContext === true,
    hardware_concurrency: navigator.hardwareConcurrency ?? null,
    device_memory_gib: navigator.deviceMemory ?? null,
    clock_resolution_ns: clockResolution(),
    has_webgpu: 'gpu' in navigator,
    has_webnn: 'ml' in navigator,
    visibility: document.visibilityState,
  };
}

/** Name and full version, where the browser says more than its user agent does. */
async function readBrand() {
  const known = await navigator.userAgentData?.getHighEntropyValues?.(['fullVersionList']).catch(() => null);
  const brands = (known?.fullVersionList ?? []).filter(({ brand }) => !/not.*brand/i.test(brand));
  // Every browser built on Chromium names Chromium too: the other name says more.
  const best = brands.find(({ brand }) => brand !== 'Chromium') ?? brands[0];
  return { brand: best?.brand ?? null, version: best?.version ?? null };
}

/** The launch is over, or its server is gone. */
function leave(stream) {
  stream.close();
  worker?.terminate();
  if (!launch.is_visit) {
    window.close();
    return;
  }
  show('This launch is over.', 'Leave this tab open: the next launch finds it. When the run has ended, close it.');
  const timer = setInterval(async () => {
    const next = await readLaunch();
    if (next === null || next.launch === launch.launch) return;
    clearInterval(timer);
    location.reload();
  }, NEXT_LAUNCH_MS);
}

async function readLaunch() {
  try {
    const response = await fetch(new URL('launch', BASE));
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

function becomeVisible() {
  if (document.visibilityState === 'visible') return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener('visibilitychange', function look() {
      if (document.visibilityState !== 'visible') return;
      document.removeEventListener('visibilitychange', look);
      resolve();
    });
  });
}

/** Keep a phone's screen on where the browser lets us: one that sleeps hides the tab. */
async function stayAwake() {
  await navigator.wakeLock?.request('screen').catch(() => {});
}

function show(status, advice) {
  for (const [id, text] of [['status', status], ['advice', advice]]) {
    const place = document.getElementById(id);
    // The same words again would be painted again, beside what is measured.
    if (place.textContent !== text) place.textContent = text;
  }
}

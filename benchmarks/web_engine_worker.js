// assay's Worker, and beside its own verbs two that only this benchmark has: a loop written by hand over the very session
// that assay made, and turns of the plain page.

import { verbs } from './assay-worker.js';
import { loaded } from './runtime.js';

const channel = new BroadcastChannel('plain');

verbs.loop = async ({ window_ms: window, calls }) => {
  const { session, feeds } = loaded();
  const durations = [];
  const until = performance.now() + window;
  while (durations.length < calls || performance.now() < until) {
    const start = performance.now();
    await session.run(feeds);
    durations.push(performance.now() - start);
  }
  return durations;
};

verbs.page = ({ ask, ...task }) => new Promise((resolve, reject) => {
  channel.onmessage = ({ data: { value, error } }) => (error === undefined ? resolve(value) : reject(new Error(error)));
  channel.postMessage({ ask, task });
});

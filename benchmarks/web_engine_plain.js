// The page that assay's web engine is compared with: a session and a loop as a careful user would write them, on the
// page's own thread. Knows nothing of assay; `plain` is the channel by which it is told when its turn is.

const ARRAYS = { float32: Float32Array, int32: Int32Array, int64: BigInt64Array, bool: Uint8Array };
const channel = new BroadcastChannel('plain');
let session = null;
let feeds = null;

async function load({ ort: bundle, threads, model, options, inputs }) {
  const ort = await import(bundle);
  ort.env.wasm.numThreads = threads;
  session = await ort.InferenceSession.create(model, options);
  feeds = {};
  for (const { name, type, dims, url } of inputs) {
    const bytes = await (await fetch(url)).arrayBuffer();
    feeds[name] = new ort.Tensor(type, new ARRAYS[type](bytes), dims);
  }
  return { threads: ort.env.wasm.numThreads, is_isolated: crossOriginIsolated };
}

async function time({ window_ms: window, calls }) {
  const durations = [];
  const until = performance.now() + window;
  while (durations.length < calls || performance.now() < until) {
    const start = performance.now();
    await session.run(feeds);
    durations.push(performance.now() - start);
  }
  return durations;
}

const doing = { load, time };

channel.addEventListener('message', async ({ data: { ask, task } }) => {
  if (ask === undefined) return;
  const answer = await doing[ask](task).then((value) => ({ value }), (error) => ({ error: String(error) }));
  channel.postMessage(answer);
});

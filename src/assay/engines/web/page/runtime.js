/** ONNX Runtime Web in this Worker: start it, load a model, make calls and read the clock, give outputs back. */

import { BASE, announceFault, fetchBytes, makeError, postBlob } from './channel.js';
import { clockResolution } from './clock.js';
import { openContext } from './webnn.js';

/**
 * A model of one node (`y = Relu(x)`, one float, opset 13). The runtime starts with its first session and not before;
 * with this one its start is timed apart from loading the model.
 */
const SMALLEST_MODEL = Uint8Array.from(
  atob('CAgSADozCgwKAXgSAXkiBFJlbHUSAWdaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggBQgQKABAN'),
  (letter) => letter.charCodeAt(0),
);

/** The array behind each type of tensor. Half floats travel as the bits they are. */
const ARRAYS = {
  float32: Float32Array, float64: Float64Array, float16: Uint16Array,
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
  bool: Uint8Array,
};

/** What this Worker holds. `fault` is set where nothing can run any more. */
const state = {
  ort: null, backend: null, provider: null, device: null, context: null, model: null, external: [],
  session: null, feeds: null, fault: null, isReleased: false,
  /** The session of the smallest model: the runtime destroys its GPU device with the last session on it. */
  first: null,
};

/** Memories that WebAssembly modules of this Worker were given: the runtime does not say how big its own is. */
const memories = watchMemories();

/** @returns {Error | null} why no further job can be done */
export const fault = () => state.fault;

/** Whether the model is on a device that can be lost. */
export const hasDevice = () => state.device !== null || state.context !== null;

/** The runtime, its providers and its session, for the verbs in other files. Throws before `init`. */
export function loaded() {
  if (state.ort === null) throw new Error('the runtime was not started: init comes first');
  return state;
}

/**
 * Import the bundle and start its WebAssembly, its threads and its device.
 * @param {{backend: 'wasm' | 'webgpu' | 'webnn', ort: string, threads: number, wasm_paths?: object | null,
 *   device?: 'cpu' | 'gpu' | 'npu', log?: string}} args
 */
async function init({ backend, ort: bundle, threads, wasm_paths: paths = null, device = 'cpu', log = 'warning' }) {
  if (threads > 1 && !self.crossOriginIsolated) {
    const message = `the page is not cross-origin isolated, so the runtime would drop ${threads} threads to 1`;
    throw makeError('NotIsolated', message);
  }
  const begin = performance.now();
  const ort = await import(new URL(bundle, BASE).href);
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.proxy = false;
  ort.env.logLevel = log;
  if (paths !== null) ort.env.wasm.wasmPaths = paths;
  Object.assign(state, { ort, backend });
  state.provider = backend;
  let narrowed = null;
  if (backend === 'webnn') {
    ({ context: state.context, narrowed } = await openContext(device));
    state.provider = { name: 'webnn', deviceType: device, context: state.context };
  }
  state.first = await ort.InferenceSession.create(SMALLEST_MODEL.slice(), { executionProviders: [state.provider] });
  const took = performance.now() - begin;
  if (ort.env.wasm.numThreads !== threads) {
    const message = `${threads} threads were asked for and the runtime took ${ort.env.wasm.numThreads}`;
    throw makeError('ThreadsDropped', message);
  }
  await watchDevice();
  const { versions, wasm } = ort.env;
  const known = { version: versions.web, threads: wasm.numThreads, narrowed };
  return { ...known, clock_resolution_ns: clockResolution(), took_ms: took };
}

/** Hear of a lost device: the page gets no event where the GPU process ends, and a call on it may never return. */
async function watchDevice() {
  if (state.backend === 'webgpu') {
    state.device = await state.ort.env.webgpu.device;
    state.device.lost.then(({ reason, message }) => {
      lose('device_lost', `the GPU device was lost (${reason}): ${message || 'no message'}`);
    });
    state.device.addEventListener('uncapturederror', ({ error }) => {
      lose('gpu_error', `the GPU refused work (${error.constructor.name}): ${error.message}`);
    });
  }
  if (state.context?.lost !== undefined) {
    state.context.lost.then((info) => {
      lose('context_lost', `the WebNN context was lost: ${info?.message || 'no message'}`);
    });
  }
}

function lose(event, message) {
  if (state.isReleased || state.fault !== null) return;
  state.fault = makeError(event === 'gpu_error' ? 'GpuError' : 'DeviceLost', message);
  announceFault(event, state.fault);
}

/**
 * Bring the model's files into memory.
 * @param {{model: string, external?: {path: string, url: string}[], sha256?: boolean}} args
 */
async function fetchModel({ model, external = [], sha256 = false }) {
  const begin = performance.now();
  const [graph, ...weights] = await Promise.all([model, ...external.map(({ url }) => url)].map(fetchBytes));
  const took = performance.now() - begin;
  state.model = graph;
  state.external = external.map(({ path }, index) => ({ path, data: weights[index] }));
  const bytes = [graph, ...weights].reduce((sum, one) => sum + one.byteLength, 0);
  // Web Crypto is absent where a page is neither https nor loopback.
  const digest = sha256 && self.crypto?.subtle ? hex(await crypto.subtle.digest('SHA-256', graph)) : null;
  return { bytes, sha256: digest, took_ms: took };
}

const hex = (digest) => Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');

/**
 * Create the session and let the fetched bytes go, as the runtime has its own copy.
 * @param {{options?: object}} args options of `InferenceSession.create`; the provider is the backend's
 */
async function createSession({ options = {} }) {
  const { ort, provider, model, external } = loaded();
  if (model === null) throw new Error('there is no model: fetch comes first');
  const begin = performance.now();
  state.session = await ort.InferenceSession.create(model, sessionOptions(options, provider, external));
  const took = performance.now() - begin;
  Object.assign(state, { model: null, external: [] });
  const { inputMetadata, outputMetadata } = state.session;
  return { inputs: describe(inputMetadata), outputs: describe(outputMetadata), took_ms: took };
}

/** The options of one session; the weights beside the graph are named only where there are any. */
export function sessionOptions(options, provider, external) {
  const beside = external.length > 0 ? { externalData: external } : {};
  return { ...options, ...beside, executionProviders: [provider] };
}

const describe = (values) => values.map(({ name, type = null, shape = [] }) => ({ name, type, shape: [...shape] }));

/**
 * Bring the inputs and keep them as tensors, so that every call reads the same ones.
 * @param {{inputs: {name: string, type: string, dims: number[], url: string}[]}} args
 */
async function setFeeds({ inputs }) {
  const { ort } = loaded();
  const made = await Promise.all(inputs.map(async ({ name, type, dims, url }) => {
    const view = ARRAYS[type];
    if (view === undefined) throw makeError('Unsupported', `a tensor of type ${type} cannot be made in a page`);
    return [name, new ort.Tensor(type, new view((await fetchBytes(url)).buffer), dims)];
  }));
  state.feeds = Object.fromEntries(made);
  return { inputs: made.length };
}

/**
 * Make calls one after another, and return how long each sample of them took.
 * @param {{samples: number, calls_per_sample?: number, limit_ms?: number | null}} args
 */
async function chunk({ samples, calls_per_sample: calls = 1, limit_ms: limit = null }) {
  const { session, feeds } = ready();
  const durations = [];
  const deadline = performance.now() + (limit ?? Infinity);
  for (let sample = 0; sample < samples; sample += 1) {
    const start = performance.now();
    for (let call = 0; call < calls; call += 1) {
      const waiting = settle(await session.run(feeds));
      if (waiting !== null) await waiting;
    }
    const end = performance.now();
    durations.push(end - start);
    if (end >= deadline) break;
  }
  if (state.fault !== null) throw state.fault;
  return { durations_ms: durations };
}

function ready() {
  const { session, feeds } = loaded();
  if (session === null || feeds === null) throw new Error('there is nothing to run: session and feeds come first');
  return { session, feeds };
}

/**
 * Say what must be waited for until the outputs can be read; null where they lie in the page's memory already.
 *
 * A call is over when its outputs are there. Where they stay on a device, `run` returns long before the device is done.
 */
export function settle(outputs) {
  for (const name in outputs) if (outputs[name].location !== 'cpu') return drain(outputs);
  return null;
}

const drain = (outputs) => Promise.all(Object.values(outputs).map((tensor) => tensor.getData(true)));

/** Make one call and post its outputs, in the order of the graph. */
async function giveOutputs(_args, { id }) {
  const { session, feeds } = ready();
  const outputs = await session.run(feeds);
  const given = [];
  for (const [index, name] of session.outputNames.entries()) {
    const { type, dims } = outputs[name];
    const data = await outputs[name].getData();
    if (!ArrayBuffer.isView(data)) {
      throw makeError('Unsupported', `the output ${name} is of type ${type}, which cannot be sent`);
    }
    await postBlob(id, `output-${index}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    given.push({ name, type, dims: [...dims], blob: `output-${index}` });
  }
  return { outputs: given };
}

/**
 * Bytes of WebAssembly memory, and of the JavaScript heap where the browser says so.
 *
 * Hardly one does in a Worker: `performance.measureUserAgentSpecificMemory` is a window's alone, and answers whenever
 * garbage was collected next, which would be beside what is measured. The processes are read instead.
 */
function memory() {
  const wasm = memories.reduce((sum, one) => sum + one.buffer.byteLength, 0);
  const heap = performance.memory?.usedJSHeapSize ?? null;
  const reason = heap === null ? 'a Worker is not told the size of its heap' : null;
  return { wasm_bytes: wasm, js_heap_bytes: heap, js_heap_reason: reason };
}

/** Let the model and its device go. What is lost from here on was meant to be; what is lost already is not touched. */
async function release() {
  state.isReleased = true;
  if (state.fault !== null) return {};
  const { session, first, device, context } = state;
  Object.assign(state, { session: null, first: null, feeds: null, model: null, external: [] });
  await session?.release();
  await first?.release();
  device?.destroy();
  context?.destroy?.();
  return {};
}

function watchMemories() {
  const made = [];
  const Memory = WebAssembly.Memory;
  WebAssembly.Memory = new Proxy(Memory, {
    construct(target, given) {
      const one = new target(...given);
      made.push(one);
      return one;
    },
  });
  return made;
}

export const verbs = {
  init, fetch: fetchModel, session: createSession, feeds: setFeeds, chunk, outputs: giveOutputs, memory, release,
};

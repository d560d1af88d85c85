/** What this browser can really do, found out by trying and not by its name. */

import { describeAdapter, findAdapter } from './adapter.js';
import { loaded } from './runtime.js';
import { failure, tryContext } from './webnn.js';

/** The smallest modules that need one ability each; `WebAssembly.validate` says whether the browser has it. */
const MODULES = {
  // (func (result v128) i32.const 0 i8x16.splat)
  simd: [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11],
  // (func (result v128) i32.const 0 i8x16.splat i32.const 0 i8x16.splat i8x16.relaxed_swizzle)
  relaxed_simd: [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 0, 253, 15, 65, 0, 253, 15,
    253, 128, 2, 11,
  ],
  // (memory 1 1 shared) (func i32.const 0 i32.atomic.load drop)
  threads: [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1, 10, 11, 1, 9, 0, 65, 0, 254, 16, 2, 0,
    26, 11,
  ],
  // (memory i64 1)
  memory64: [0, 97, 115, 109, 1, 0, 0, 0, 5, 3, 1, 4, 1],
};

/** The abilities of this browser: WebAssembly, WebGPU, and WebNN by kind of device. */
async function features() {
  return { wasm: wasmFeatures(), webgpu: await webgpuFeatures(), webnn: await webnnFeatures() };
}

function wasmFeatures() {
  const has = Object.fromEntries(
    Object.entries(MODULES).map(([name, bytes]) => [name, WebAssembly.validate(Uint8Array.from(bytes))]),
  );
  return {
    ...has,
    // Threads need shared memory, which a page gets only where it is cross-origin isolated.
    threads: has.threads && self.crossOriginIsolated && typeof SharedArrayBuffer === 'function',
    jspi: 'Suspending' in WebAssembly,
  };
}

async function webgpuFeatures() {
  const { present: available, description, kind, features: names, limits } = await findAdapter();
  if (!available) return { available, reason: description };
  return { available, adapter: description, kind, f16: names.includes('shader-f16'), features: names, limits };
}

async function webnnFeatures() {
  const present = navigator.ml !== undefined;
  if (!present) return { present, reason: 'this browser has no WebNN (navigator.ml is absent)', devices: {} };
  const devices = {};
  for (const device of ['cpu', 'gpu', 'npu']) {
    const { context, reason: doubt } = await tryContext(device);
    const reason = doubt ?? (await failure(context));
    devices[device] = { works: reason === null, granted: context !== null, reason };
    context?.destroy?.();
  }
  return { present, devices };
}

/** The adapter of the device that the runtime computes on; where there is none yet, the one it would get. */
async function adapter() {
  const { device } = tryLoaded();
  return device === null ? findAdapter() : describeAdapter(device, device.adapterInfo ?? {});
}

function tryLoaded() {
  try {
    return loaded();
  } catch {
    return { device: null };
  }
}

export const verbs = { features, adapter };

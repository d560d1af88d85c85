/**
 * WebNN contexts, and whether they are what was asked for.
 *
 * `createContext` takes the device for a wish: it hands out a context for a GPU or an NPU on machines that have neither,
 * and computes on the CPU. So a context is believed only where something else speaks for the device.
 */

import { findAdapter } from './adapter.js';
import { makeError } from './channel.js';

/**
 * Highest rank of `gatherND`'s indices that the CPU's backend survives. It says that it takes any, and Chromium 147 ends
 * its GPU process by SIGABRT at rank 5, which is what the mask of a transformer has.
 */
const SAFE_INDICES_RANK = 4;

/**
 * Open a context that really drives the device, or throw.
 * @param {'cpu' | 'gpu' | 'npu'} device
 * @returns {Promise<{context: object, narrowed: string | null}>} and what is kept from it although it says it takes it
 */
export async function openContext(device) {
  const { context, reason } = await tryContext(device);
  if (reason !== null) throw makeError('NoDevice', reason);
  return { context, narrowed: device === 'cpu' ? narrow(context) : null };
}

/**
 * Let the runtime see limits that are true, so that it computes those nodes itself.
 *
 * The CPU's backend says that it takes `gatherElements`, and refuses the whole graph where the indices are computed and
 * not constant (Chromium 147: CLAP's pooling). Of a node's indices no limit can say that, so it gets none of them.
 */
function narrow(context) {
  const limits = context.opSupportLimits();
  const kept = [];
  const range = limits.gatherND?.indices?.rankRange;
  if (range !== undefined && range.max > SAFE_INDICES_RANK) {
    range.max = SAFE_INDICES_RANK;
    kept.push(`gatherND to indices of rank ${SAFE_INDICES_RANK}`);
  }
  const types = limits.gatherElements?.input;
  if (types !== undefined && types.dataTypes.length > 0) {
    types.dataTypes = [];
    kept.push('gatherElements to no type');
  }
  if (kept.length === 0) return null;
  context.opSupportLimits = () => limits;
  return kept.join(', ');
}

/**
 * Open a context, and say why it is not to be believed.
 * @param {'cpu' | 'gpu' | 'npu'} device
 * @returns {Promise<{context: object | null, reason: string | null}>}
 */
export async function tryContext(device) {
  if (navigator.ml === undefined) return { context: null, reason: 'this browser has no WebNN (navigator.ml is absent)' };
  let context;
  try {
    context = await navigator.ml.createContext({ deviceType: device });
  } catch (error) {
    return { context: null, reason: `WebNN gives no context for ${device}: ${error.message}` };
  }
  return { context, reason: await doubt(context, device) };
}

/** @returns {Promise<string | null>} why the context does not drive the device */
async function doubt(context, device) {
  if (device === 'cpu') return null;
  const granted = `WebNN gave a context for ${device}`;
  // The attribute is in the specification since 2025; browsers without it leave what follows.
  if (context.accelerated === false) return `${granted}, and says itself that it is not accelerated`;
  if (context.accelerated === true) return null;
  if (device === 'gpu') {
    const { kind, description } = await findAdapter();
    return kind === 'hardware' ? null : `${granted}, but the browser has no GPU to run it on (WebGPU: ${description})`;
  }
  const cpu = await navigator.ml.createContext({ deviceType: 'cpu' });
  const isSame = JSON.stringify(cpu.opSupportLimits()) === JSON.stringify(context.opSupportLimits());
  cpu.destroy?.();
  return isSame ? `${granted}, but it takes exactly what the one for cpu takes: it is the same backend` : null;
}

/**
 * Let a context add two numbers, and say why it could not.
 * @returns {Promise<string | null>}
 */
export async function failure(context) {
  try {
    const builder = new MLGraphBuilder(context);
    const descriptor = { dataType: 'float32', shape: [2] };
    const x = builder.input('x', descriptor);
    const graph = await builder.build({ y: builder.add(x, x) });
    const input = await context.createTensor({ ...descriptor, writable: true });
    const output = await context.createTensor({ ...descriptor, readable: true });
    context.writeTensor(input, Float32Array.of(1, 2));
    context.dispatch(graph, { x: input }, { y: output });
    const sums = new Float32Array(await context.readTensor(output));
    return sums[0] === 2 && sums[1] === 4 ? null : `it added 1 + 1 and 2 + 2 up to ${sums.join(' and ')}`;
  } catch (error) {
    return `it cannot add two numbers: ${error.message}`;
  }
}

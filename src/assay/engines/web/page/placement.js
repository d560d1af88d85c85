/**
 * Where the nodes of a model really run: read from what the runtime says while it loads the model once more, untimed.
 *
 * Whatever its provider does not take the runtime moves to WebAssembly, without an error, so that a model can "run on
 * WebNN" with one node in twenty there.
 */

import { fetchBytes } from './channel.js';
import { listen } from './log.js';
import { loaded, sessionOptions } from './runtime.js';

const PLACED = /nodes?(?:\(s\))? placed on \[(\w+)\]\. Number of nodes: (\d+)/i;
const SUPPORTED = /number of nodes in the graph: (\d+),? number of nodes supported by WebNN: (\d+)/i;
const CPU = 'CPUExecutionProvider';
const WEBNN = 'WebNNExecutionProvider';
const VERBOSE = 0;

/**
 * Load the model once more with everything said, and count nodes by provider.
 * @param {{model: string, external?: {path: string, url: string}[], options?: object}} args as of `fetch` and `session`
 */
async function placement({ model, external = [], options = {} }) {
  const { ort, provider, backend } = loaded();
  const files = await Promise.all(external.map(async ({ path, url }) => ({ path, data: await fetchBytes(url) })));
  const bytes = await fetchBytes(model);
  const lines = await listen(async () => {
    const all = { ...options, logSeverityLevel: VERBOSE };
    const session = await ort.InferenceSession.create(bytes, sessionOptions(all, provider, files));
    await session.release();
  });
  return { nodes: backend === 'webnn' ? countCompiled(lines) : countPlaced(lines), lines: lines.length };
}

/** Nodes by provider, as the runtime lists them when every node has one. */
export function countPlaced(lines) {
  const nodes = {};
  for (const line of lines) {
    const found = PLACED.exec(line);
    if (found !== null) nodes[found[1]] = Number(found[2]);
  }
  return nodes;
}

/**
 * The same for a provider that compiles many nodes into one: its own count, before they became one, and the rest.
 *
 * It is asked more than once, the last time for the graph as it is then run.
 */
export function countCompiled(lines) {
  const last = lines.map((line) => SUPPORTED.exec(line)).findLast((found) => found !== null);
  if (last === undefined) return countPlaced(lines);
  const [total, taken] = [Number(last[1]), Number(last[2])];
  return Object.fromEntries([[WEBNN, taken], [CPU, total - taken]].filter(([, count]) => count > 0));
}

export const verbs = { placement };

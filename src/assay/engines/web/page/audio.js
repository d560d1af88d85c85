/** What a page does before an audio model: features of clips, timed apart from the model, and given back to be checked. */

import { makeExtractor } from './audio_features.js';
import { postBlob } from './channel.js';

/** The clips and the extractor of this Worker; null before `preprocess`. */
let prepared = null;

/**
 * Bring the clips and make everything ready that does not depend on their sound.
 * @param {{spec: import('./audio_features.js').FeatureSpec, clips: string, batch: number, samples: number}} args
 *   `clips` is the address of batch x samples little-endian float32 numbers
 */
async function preprocess({ spec, clips: address, batch, samples }) {
  const response = await fetch(new URL(address, self.location.href));
  if (!response.ok) throw new Error(`${response.url} cannot be fetched: HTTP ${response.status}`);
  const clips = new Float32Array(await response.arrayBuffer());
  const begin = performance.now();
  const { dims, extract } = makeExtractor(spec, { batch, samples });
  const took = performance.now() - begin;
  prepared = { clips, dims, extract };
  return { dims, took_ms: took };
}

/**
 * Make the features again and again, and return how long each sample of calls took.
 * @param {{samples: number, calls_per_sample?: number, limit_ms?: number | null}} args
 */
function preprocessChunk({ samples, calls_per_sample: calls = 1, limit_ms: limit = null }) {
  const { clips, extract } = ready();
  const durations = [];
  const deadline = performance.now() + (limit ?? Infinity);
  for (let sample = 0; sample < samples; sample += 1) {
    const start = performance.now();
    for (let call = 0; call < calls; call += 1) extract(clips);
    const end = performance.now();
    durations.push(end - start);
    if (end >= deadline) break;
  }
  return { durations_ms: durations };
}

/** Make the features once and post them as float32. */
async function preprocessOutputs(_args, { id }) {
  const { clips, dims, extract } = ready();
  await postBlob(id, 'features', extract(clips));
  return { dims, blob: 'features' };
}

function ready() {
  if (prepared === null) throw new Error('there are no clips: preprocess comes first');
  return prepared;
}

export const verbs = { preprocess, preprocess_chunk: preprocessChunk, preprocess_outputs: preprocessOutputs };

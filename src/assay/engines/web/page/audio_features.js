/**
 * From a waveform to a model's input, by the same data and rules as `assay/workloads/audio.py`.
 *
 * The field names are those of Python's `FeatureSpec`. Everything that does not depend on the sound is made once;
 * a call then only computes.
 */

import { makePowerSpectrum } from './fft.js';

/** Power below which a band is silent, and what is added to the variance of a clip: see workloads/audio.py. */
const LEAST_POWER = 1e-10;
const LEAST_VARIANCE = 1e-7;
const WHISPER_RANGE = 8;

/** Slaney's mel scale: linear up to 1 kHz, then 27 mels a factor of 6.4 (Auditory Toolbox, 1998). */
const HZ_PER_MEL = 200 / 3;
const KNEE_HZ = 1000;
const KNEE_MEL = KNEE_HZ / HZ_PER_MEL;
const FACTOR = 6.4;
const MELS_PER_FACTOR = 27;

/**
 * @typedef {{fft: number, hop: number, bands: number, low_hz: number, high_hz: number, drops_last: boolean}} Mel
 * @typedef {{sample_rate_hz: number, scaling: 'unit-variance' | 'whisper' | 'decibels', mel: Mel | null,
 *   frames_first: boolean}} FeatureSpec
 * @typedef {{dims: number[], extract: (clips: Float32Array) => Float32Array}} Extractor `extract` fills the same array anew
 */

/**
 * Prepare the features of `batch` clips of `samples` samples each.
 * @param {FeatureSpec} spec
 * @param {{batch: number, samples: number}} size
 * @returns {Extractor}
 */
export function makeExtractor(spec, { batch, samples }) {
  const { dims, fill } = spec.mel === null ? makeNormaliser(samples) : makeMelExtractor(spec, samples);
  const perClip = dims.reduce((product, dim) => product * dim, 1);
  const features = new Float32Array(batch * perClip);
  const extract = (clips) => {
    if (clips.length !== batch * samples) {
      throw new RangeError(`got ${clips.length} samples, expected ${batch} clips of ${samples}`);
    }
    for (let clip = 0; clip < batch; clip += 1) {
      fill(clips.subarray(clip * samples, (clip + 1) * samples), features.subarray(clip * perClip, (clip + 1) * perClip));
    }
    return features;
  };
  return { dims: [batch, ...dims], extract };
}

/** The waveform itself with mean 0 and variance 1. */
function makeNormaliser(samples) {
  const fill = (clip, features) => {
    let sum = 0;
    for (let n = 0; n < samples; n += 1) sum += clip[n];
    const mean = sum / samples;
    let squares = 0;
    for (let n = 0; n < samples; n += 1) squares += (clip[n] - mean) * (clip[n] - mean);
    const scale = 1 / Math.sqrt(squares / samples + LEAST_VARIANCE);
    for (let n = 0; n < samples; n += 1) features[n] = (clip[n] - mean) * scale;
  };
  return { dims: [samples], fill };
}

function makeMelExtractor({ sample_rate_hz: rate, scaling, mel, frames_first: framesFirst }, samples) {
  const { fft, hop, bands: count } = mel;
  const frames = Math.floor(samples / hop) + (mel.drops_last ? 0 : 1);
  const spectrum = makePowerSpectrum(fft);
  const window = Float64Array.from({ length: fft }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / fft));
  const bands = makeBands(mel, rate);
  const frame = new Float64Array(fft);
  const power = new Float64Array(fft / 2 + 1);
  // Where the number of a frame and a band stands: whichever comes first varies slowest.
  const [perFrame, perBand] = framesFirst ? [count, 1] : [1, frames];

  const fill = (clip, features) => {
    let loudest = -Infinity;
    for (let t = 0; t < frames; t += 1) {
      readFrame(clip, t * hop - fft / 2, window, frame);
      spectrum(frame, power);
      for (let b = 0; b < count; b += 1) {
        const { first, weights } = bands[b];
        let sum = 0;
        for (let n = 0; n < weights.length; n += 1) sum += weights[n] * power[first + n];
        const level = Math.log10(Math.max(sum, LEAST_POWER));
        if (level > loudest) loudest = level;
        features[t * perFrame + b * perBand] = level;
      }
    }
    scaleLevels(features, scaling, loudest);
  };
  return { dims: framesFirst ? [1, frames, count] : [count, frames], fill };
}

/** Copy a frame that begins at `start`, mirrored where it reaches beyond the clip, and weigh it by the window. */
function readFrame(clip, start, window, frame) {
  const last = clip.length - 1;
  if (start >= 0 && start + frame.length <= clip.length) {
    for (let n = 0; n < frame.length; n += 1) frame[n] = window[n] * clip[start + n];
    return;
  }
  for (let n = 0; n < frame.length; n += 1) {
    const at = Math.abs(start + n);
    frame[n] = window[n] * clip[at > last ? 2 * last - at : at];
  }
}

function scaleLevels(features, scaling, loudest) {
  if (scaling === 'decibels') {
    for (let n = 0; n < features.length; n += 1) features[n] *= 10;
    return;
  }
  const least = loudest - WHISPER_RANGE;
  for (let n = 0; n < features.length; n += 1) features[n] = (Math.max(features[n], least) + 4) / 4;
}

/**
 * The triangles of the mel bands, each of area 1: from which bin on, and its weights there.
 * @param {Mel} mel
 * @param {number} rate samples a second
 * @returns {{first: number, weights: Float64Array}[]}
 */
export function makeBands({ fft, bands, low_hz: low, high_hz: high }, rate) {
  const [from, to] = [toMel(low), toMel(high)];
  const corners = Array.from({ length: bands + 2 }, (_, n) => toHz(from + ((to - from) * n) / (bands + 1)));
  return Array.from({ length: bands }, (_, b) => {
    const [left, middle, right] = corners.slice(b, b + 3);
    const first = Math.ceil((left * fft) / rate);
    const last = Math.min(fft / 2, Math.floor((right * fft) / rate));
    const weights = Float64Array.from({ length: Math.max(0, last - first + 1) }, (_unused, n) => {
      const hz = ((first + n) * rate) / fft;
      return (Math.max(0, Math.min((hz - left) / (middle - left), (right - hz) / (right - middle))) * 2) / (right - left);
    });
    return { first, weights };
  });
}

const toMel = (hz) => (hz < KNEE_HZ ? hz / HZ_PER_MEL : KNEE_MEL + (MELS_PER_FACTOR * Math.log(hz / KNEE_HZ)) / Math.log(FACTOR));

const toHz = (mel) => (mel < KNEE_MEL ? mel * HZ_PER_MEL : KNEE_HZ * FACTOR ** ((mel - KNEE_MEL) / MELS_PER_FACTOR));

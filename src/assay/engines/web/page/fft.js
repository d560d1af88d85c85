/**
 * The power spectrum of real frames: a Fourier transform of our own, for any even length.
 *
 * Audio models take frames of 400 or 1024 samples, and 400 is no power of two. So the transform splits its length into
 * factors of 4, 2, 3 and 5 and whatever primes are left (Stockham's ordering, which needs no bit reversal: Cochran et
 * al., "What is the fast Fourier transform?", 1967). Numbers are doubles; nothing is allocated after it is made.
 */

const FACTORS = [4, 2, 3, 5];
const BUTTERFLIES = { 2: runTwo, 4: runFour, 5: runFive };

/**
 * Make a function that reads `frame` and writes the power |X(k)|^2 for k = 0 .. length / 2.
 * @param {number} length of a frame, even
 * @returns {(frame: Float64Array, power: Float64Array) => void}
 */
export function makePowerSpectrum(length) {
  if (!Number.isInteger(length) || length < 2 || length % 2 !== 0) {
    throw new RangeError(`got a frame of ${length} samples, expected an even number`);
  }
  // A real frame is read as half as many complex numbers; the two halves are told apart by their symmetry afterwards.
  const half = length / 2;
  const transform = makeTransform(half);
  const [cosines, sines] = roots(length, half + 1);

  return (frame, power) => {
    const { re, im } = transform(frame);
    for (let k = 0; k <= half; k += 1) {
      const i = k === half ? 0 : k;
      const j = k === 0 ? 0 : half - k;
      const evenRe = (re[i] + re[j]) / 2;
      const evenIm = (im[i] - im[j]) / 2;
      const oddRe = (im[i] + im[j]) / 2;
      const oddIm = (re[j] - re[i]) / 2;
      const sumRe = evenRe + oddRe * cosines[k] + oddIm * sines[k];
      const sumIm = evenIm + oddIm * cosines[k] - oddRe * sines[k];
      power[k] = sumRe * sumRe + sumIm * sumIm;
    }
  };
}

/** Make the complex transform of `size` points, which reads pairs (real, imaginary) from one array. */
function makeTransform(size) {
  const stages = planStages(size);
  const first = { re: new Float64Array(size), im: new Float64Array(size) };
  const second = { re: new Float64Array(size), im: new Float64Array(size) };

  return (pairs) => {
    let [from, to] = [first, second];
    for (let n = 0; n < size; n += 1) {
      from.re[n] = pairs[2 * n];
      from.im[n] = pairs[2 * n + 1];
    }
    for (const stage of stages) {
      stage.run(stage, from, to);
      [from, to] = [to, from];
    }
    return from;
  };
}

/**
 * One stage a factor: `rest` butterflies of `radix` points, each for `stride` interleaved transforms.
 * @typedef {{radix: number, rest: number, stride: number, cos: Float64Array, sin: Float64Array, unitCos: Float64Array,
 *   unitSin: Float64Array, run: (stage: Stage, from: Complex, to: Complex) => void}} Stage
 * @typedef {{re: Float64Array, im: Float64Array}} Complex
 * @returns {Stage[]}
 */
function planStages(size) {
  const stages = [];
  let stride = 1;
  for (let left = size; left > 1; ) {
    const radix = nextFactor(left);
    const rest = left / radix;
    const [cos, sin] = roots(left, left);
    const [unitCos, unitSin] = roots(radix, radix);
    stages.push({ radix, rest, stride, cos, sin, unitCos, unitSin, run: BUTTERFLIES[radix] ?? runAny });
    left = rest;
    stride *= radix;
  }
  return stages;
}

function nextFactor(left) {
  for (const factor of FACTORS) if (left % factor === 0) return factor;
  for (let prime = 7; prime * prime <= left; prime += 2) if (left % prime === 0) return prime;
  return left;
}

/** Cosines and sines of 2 pi k / size for k below `count`. */
function roots(size, count) {
  const angle = (_, k) => (2 * Math.PI * k) / size;
  const angles = Float64Array.from({ length: count }, angle);
  return [angles.map(Math.cos), angles.map(Math.sin)];
}

/** Four points at once, which need no multiplication among themselves. */
function runFour({ rest, stride, cos, sin }, from, to) {
  const { re, im } = from;
  const { re: outRe, im: outIm } = to;
  const step = stride * rest;
  for (let p = 0; p < rest; p += 1) {
    const c1 = cos[p];
    const s1 = sin[p];
    const c2 = cos[2 * p];
    const s2 = sin[2 * p];
    const c3 = cos[3 * p];
    const s3 = sin[3 * p];
    for (let q = 0; q < stride; q += 1) {
      const a = q + stride * p;
      const b = a + step;
      const c = b + step;
      const d = c + step;
      const sumRe = re[a] + re[c];
      const sumIm = im[a] + im[c];
      const lessRe = re[a] - re[c];
      const lessIm = im[a] - im[c];
      const oddRe = re[b] + re[d];
      const oddIm = im[b] + im[d];
      const turnedRe = im[b] - im[d];
      const turnedIm = re[d] - re[b];
      const o = q + stride * 4 * p;
      outRe[o] = sumRe + oddRe;
      outIm[o] = sumIm + oddIm;
      const xRe = lessRe + turnedRe;
      const xIm = lessIm + turnedIm;
      outRe[o + stride] = xRe * c1 + xIm * s1;
      outIm[o + stride] = xIm * c1 - xRe * s1;
      const yRe = sumRe - oddRe;
      const yIm = sumIm - oddIm;
      outRe[o + 2 * stride] = yRe * c2 + yIm * s2;
      outIm[o + 2 * stride] = yIm * c2 - yRe * s2;
      const zRe = lessRe - turnedRe;
      const zIm = lessIm - turnedIm;
      outRe[o + 3 * stride] = zRe * c3 + zIm * s3;
      outIm[o + 3 * stride] = zIm * c3 - zRe * s3;
    }
  }
}

/** Two points. */
function runTwo({ rest, stride, cos, sin }, from, to) {
  const { re, im } = from;
  const { re: outRe, im: outIm } = to;
  const step = stride * rest;
  for (let p = 0; p < rest; p += 1) {
    const c = cos[p];
    const s = sin[p];
    for (let q = 0; q < stride; q += 1) {
      const a = q + stride * p;
      const b = a + step;
      const o = q + stride * 2 * p;
      const lessRe = re[a] - re[b];
      const lessIm = im[a] - im[b];
      outRe[o] = re[a] + re[b];
      outIm[o] = im[a] + im[b];
      outRe[o + stride] = lessRe * c + lessIm * s;
      outIm[o + stride] = lessIm * c - lessRe * s;
    }
  }
}

/** Five points: the second and the fifth, and the third and the fourth, share their cosines and differ in sign of sine. */
function runFive({ rest, stride, cos, sin, unitCos, unitSin }, from, to) {
  const { re, im } = from;
  const { re: outRe, im: outIm } = to;
  const step = stride * rest;
  const [, cos1, cos2] = unitCos;
  const [, sin1, sin2] = unitSin;
  for (let p = 0; p < rest; p += 1) {
    for (let q = 0; q < stride; q += 1) {
      const a = q + stride * p;
      const b = a + step;
      const c = b + step;
      const d = c + step;
      const e = d + step;
      const o = q + stride * 5 * p;
      const nearRe = re[b] + re[e];
      const nearIm = im[b] + im[e];
      const farRe = re[c] + re[d];
      const farIm = im[c] + im[d];
      const nearLessRe = re[b] - re[e];
      const nearLessIm = im[b] - im[e];
      const farLessRe = re[c] - re[d];
      const farLessIm = im[c] - im[d];
      outRe[o] = re[a] + nearRe + farRe;
      outIm[o] = im[a] + nearIm + farIm;
      const evenRe = re[a] + cos1 * nearRe + cos2 * farRe;
      const evenIm = im[a] + cos1 * nearIm + cos2 * farIm;
      const oddRe = sin1 * nearLessIm + sin2 * farLessIm;
      const oddIm = -sin1 * nearLessRe - sin2 * farLessRe;
      const evenRe2 = re[a] + cos2 * nearRe + cos1 * farRe;
      const evenIm2 = im[a] + cos2 * nearIm + cos1 * farIm;
      const oddRe2 = sin2 * nearLessIm - sin1 * farLessIm;
      const oddIm2 = -sin2 * nearLessRe + sin1 * farLessRe;
      turn(outRe, outIm, o + stride, evenRe + oddRe, evenIm + oddIm, cos[p], sin[p]);
      turn(outRe, outIm, o + 2 * stride, evenRe2 + oddRe2, evenIm2 + oddIm2, cos[2 * p], sin[2 * p]);
      turn(outRe, outIm, o + 3 * stride, evenRe2 - oddRe2, evenIm2 - oddIm2, cos[3 * p], sin[3 * p]);
      turn(outRe, outIm, o + 4 * stride, evenRe - oddRe, evenIm - oddIm, cos[4 * p], sin[4 * p]);
    }
  }
}

/** Write (x + iy) turned by the angle whose cosine and sine are given, clockwise. */
function turn(outRe, outIm, at, x, y, c, s) {
  outRe[at] = x * c + y * s;
  outIm[at] = y * c - x * s;
}

/** Any other number of points, by definition. */
function runAny({ radix, rest, stride, cos, sin, unitCos, unitSin }, from, to) {
  const { re, im } = from;
  const { re: outRe, im: outIm } = to;
  const step = stride * rest;
  for (let p = 0; p < rest; p += 1) {
    for (let j = 0; j < radix; j += 1) {
      const c = cos[p * j];
      const s = sin[p * j];
      for (let q = 0; q < stride; q += 1) {
        let sumRe = 0;
        let sumIm = 0;
        for (let k = 0, at = q + stride * p, turn = 0; k < radix; k += 1, at += step, turn = (turn + j) % radix) {
          sumRe += re[at] * unitCos[turn] + im[at] * unitSin[turn];
          sumIm += im[at] * unitCos[turn] - re[at] * unitSin[turn];
        }
        const o = q + stride * (radix * p + j);
        outRe[o] = sumRe * c + sumIm * s;
        outIm[o] = sumIm * c - sumRe * s;
      }
    }
  }
}

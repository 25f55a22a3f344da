/** Covariance of few rows of many features, kept invertible, and its inverse. */

export interface ShrunkCovariance {
  readonly mean: Float64Array;
  /** Row by row, features x features. */
  readonly covariance: Float64Array;
  /** Share of the identity, 0 to 1. */
  readonly shrinkage: number;
}

/**
 * Covariance shrunk towards a multiple of the identity, by just as much as the rows are too few (Ledoit and Wolf 2004,
 * "A well-conditioned estimator for large-dimensional covariance matrices"; the numbers of `sklearn.covariance.LedoitWolf`).
 * @param rows of equal length
 */
export function ledoitWolf(rows: readonly Float64Array[]): ShrunkCovariance {
  const n = rows.length;
  const p = rows[0]?.length ?? 0;
  const mean = new Float64Array(p);
  for (const row of rows) for (let j = 0; j < p; j++) mean[j]! += row[j]! / n;
  const covariance = new Float64Array(p * p);
  // Sum over all pairs of features of the mean of the squared products: how uncertain the covariances are.
  let fourth = 0;
  const centred = new Float64Array(p);
  for (const row of rows) {
    let square = 0;
    for (let j = 0; j < p; j++) {
      centred[j] = row[j]! - mean[j]!;
      square += centred[j]! ** 2;
    }
    fourth += square * square;
    for (let i = 0; i < p; i++)
      for (let j = 0; j <= i; j++) covariance[i * p + j]! += (centred[i]! * centred[j]!) / n;
  }
  let trace = 0;
  let squared = 0;
  for (let i = 0; i < p; i++) {
    trace += covariance[i * p + i]!;
    for (let j = 0; j <= i; j++) {
      const value = covariance[i * p + j]!;
      covariance[j * p + i] = value;
      squared += (i === j ? 1 : 2) * value * value;
    }
  }
  const target = trace / p;
  const uncertain = (fourth / n - squared) / (p * n);
  const spread = (squared - p * target * target) / p;
  const shrinkage = spread > 0 ? Math.min(1, Math.max(0, uncertain / spread)) : 1;
  for (let i = 0; i < p * p; i++) covariance[i]! *= 1 - shrinkage;
  for (let i = 0; i < p; i++) covariance[i * p + i]! += shrinkage * target;
  return { mean, covariance, shrinkage };
}

/** Inverse of a symmetric positive definite matrix, row by row, by Cholesky. Throws `RangeError` where it is none. */
export function inverseOf(matrix: Float64Array, size: number): Float64Array {
  const lower = choleskyOf(matrix, size);
  const inverse = new Float64Array(size * size);
  const column = new Float64Array(size);
  for (let k = 0; k < size; k++) {
    column.fill(0);
    column[k] = 1;
    for (let i = 0; i < size; i++) {
      let sum = column[i]!;
      for (let j = 0; j < i; j++) sum -= lower[i * size + j]! * column[j]!;
      column[i] = sum / lower[i * size + i]!;
    }
    for (let i = size - 1; i >= 0; i--) {
      let sum = column[i]!;
      for (let j = i + 1; j < size; j++) sum -= lower[j * size + i]! * column[j]!;
      column[i] = sum / lower[i * size + i]!;
    }
    for (let i = 0; i < size; i++) inverse[i * size + k] = column[i]!;
  }
  return inverse;
}

/** Lower L with L Lᵀ = matrix, row by row. Throws `RangeError` where the matrix is not positive definite. */
export function choleskyOf(matrix: Float64Array, size: number): Float64Array {
  const lower = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * size + j]!;
      for (let k = 0; k < j; k++) sum -= lower[i * size + k]! * lower[j * size + k]!;
      if (i !== j) lower[i * size + j] = sum / lower[j * size + j]!;
      else if (sum > 0) lower[i * size + i] = Math.sqrt(sum);
      else throw new RangeError('the matrix is not positive definite');
    }
  }
  return lower;
}

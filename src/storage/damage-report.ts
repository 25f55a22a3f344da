import type { DamagedFile } from './damage.js';

/** What was found, read and lost, in one sentence for a technician. */
export function damageSentence(file: DamagedFile): string {
  const { rows, lostRows, lostPages } = damageTotals(file);
  const lost =
    lostRows + lostPages === 0
      ? 'no loss was found'
      : `about ${lostRows} rows on ${lostPages} unreadable pages are lost`;
  const read = file.nextPage === null ? `${rows} rows were read out of it` : `${rows} rows read so far`;
  const failed = file.error === null ? '' : ` (reading ended: ${file.error})`;
  return `the database was damaged (${file.finding}) and is set aside as ${file.file}; ${read}, ${lost}${failed}`;
}

export interface DamageTotals {
  readonly rows: number;
  /** Rows that could not be read; for lost pages an estimate from what a page of the table holds otherwise. */
  readonly lostRows: number;
  readonly lostPages: number;
}

export function damageTotals({ tallies }: Pick<DamagedFile, 'tallies'>): DamageTotals {
  let rows = 0;
  let lostRows = 0;
  let lostPages = 0;
  for (const tally of Object.values(tallies)) {
    const perPage = tally.pages > 0 ? tally.rows / tally.pages : 1;
    rows += tally.rows;
    lostRows += tally.lostRows + Math.ceil(tally.lostPages * perPage);
    lostPages += tally.lostPages;
  }
  return { rows, lostRows, lostPages };
}

export interface HydraulicColumn {
  readonly name: string;
  readonly unit: string;
  readonly values: Float64Array;
}
export function hydraulicRows(folder: string, name: string): number[][];
export function hydraulicColumns(folder: string): HydraulicColumn[] | undefined;

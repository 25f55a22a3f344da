import type { MlflowServer } from '../../support/mlflow.js';

export interface UpstreamRun {
  readonly info: { run_id: string; run_name: string; experiment_id: string };
  readonly data: {
    readonly params?: { key: string; value: string }[];
    readonly tags?: { key: string; value: string }[];
  };
}

/** The runs of an experiment, as the server tells anybody who asks. */
export async function runsOf(server: MlflowServer, experiment: string): Promise<UpstreamRun[]> {
  const found = await server.api<{ experiment: { experiment_id: string } }>(
    'GET',
    'mlflow/experiments/get-by-name',
    { experiment_name: experiment },
  );
  const answer = await server.api<{ runs?: UpstreamRun[] }>('POST', 'mlflow/runs/search', {
    experiment_ids: [found.experiment.experiment_id],
    max_results: 100,
  });
  return answer.runs ?? [];
}

export interface Point {
  readonly timestamp: number;
  readonly step: number;
  readonly value: number;
}

/** The whole history of a metric, every row of it. */
export async function historyOf(server: MlflowServer, runId: string, key: string): Promise<Point[]> {
  const rows: Point[] = [];
  for (let token: string | undefined = ''; token !== undefined; ) {
    const page: { metrics?: Point[]; next_page_token?: string } = await server.api(
      'GET',
      'mlflow/metrics/get-history',
      { run_id: runId, metric_key: key, max_results: '1000', ...(token === '' ? {} : { page_token: token }) },
    );
    rows.push(...(page.metrics ?? []));
    token = page.next_page_token === '' ? undefined : page.next_page_token;
  }
  return rows.map(({ timestamp, step, value }) => ({
    timestamp: Number(timestamp),
    step: Number(step),
    value,
  }));
}

/** The event files of a run, as the server lists and serves them: path to content. */
export async function eventFilesOf(server: MlflowServer, run: UpstreamRun): Promise<Map<string, unknown>> {
  const root = `${run.info.experiment_id}/${run.info.run_id}/artifacts`;
  const list = async (folder: string) => {
    const query = { path: `${root}/${folder}` };
    const answer = await server.api<{ files?: { path: string }[] }>(
      'GET',
      'mlflow-artifacts/artifacts',
      query,
    );
    return (answer.files ?? []).map((file) => `${folder}/${file.path}`);
  };
  const files = (await Promise.all((await list('events')).map(list))).flat();
  const contents = new Map<string, unknown>();
  for (const file of files) {
    contents.set(file, await server.api('GET', `mlflow-artifacts/artifacts/${root}/${file}`));
  }
  return contents;
}

export const pairValue = (
  pairs: { key: string; value: string }[] | undefined,
  key: string,
): string | undefined => pairs?.find((pair) => pair.key === key)?.value;

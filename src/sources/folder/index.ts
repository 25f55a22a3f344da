import type { SourcePart } from '../part.js';
import { type FolderConfig, folderConfigSchema } from './config.js';

/** Files that are put into a folder: by a camera, a data logger, a colleague with a USB stick. */
export const folderPart: SourcePart<FolderConfig> = {
  type: 'folder',
  configSchema: folderConfigSchema,
  paced: false,
  async create(config, deps) {
    const { FolderSource } = await import('./source.js');
    return new FolderSource(config, deps);
  },
};

import { fileURLToPath } from 'node:url';

/** models/ of the package. */
export const BUNDLED_MODELS_DIR = fileURLToPath(new URL('../../models/', import.meta.url));

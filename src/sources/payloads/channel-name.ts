import { z } from 'zod';

/** Name of a channel: a part of the name of a point. */
export const channelName = () =>
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/, 'use letters, digits, "-" and "_"');

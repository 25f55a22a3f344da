/** Threads that a model's run takes. One, which sleeps when idle: the default pool takes every core and spins. */
export const MODEL_THREADS = 1;

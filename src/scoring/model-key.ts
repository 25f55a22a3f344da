/** `pump-vibration/3`: how a model version is named on this gateway. */
export const modelKey = (model: { readonly name: string; readonly version: string }): string =>
  `${model.name}/${model.version}`;

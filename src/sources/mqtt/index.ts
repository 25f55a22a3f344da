import type { SourcePart } from '../part.js';
import { type MqttConfig, mqttConfigSchema } from './config.js';

/** MQTT 3.1.1 and 5: a client of an external broker, or a broker in this process. */
export const mqttPart: SourcePart<MqttConfig> = {
  type: 'mqtt',
  configSchema: mqttConfigSchema,
  async create(config, deps) {
    const { broker } = config;
    if ('embedded' in broker) {
      const { EmbeddedBrokerSource } = await import('./embedded-source.js');
      return new EmbeddedBrokerSource(config, broker.embedded, deps);
    }
    const { MqttClientSource } = await import('./client-source.js');
    return new MqttClientSource(config, broker, deps);
  },
};

import type { SourcePart } from '../part.js';
import { MqttClientSource } from './client-source.js';
import { type MqttConfig, mqttConfigSchema } from './config.js';
import { EmbeddedBrokerSource } from './embedded-source.js';

/** MQTT 3.1.1 and 5: a client of an external broker, or a broker in this process. */
export const mqttPart: SourcePart<MqttConfig> = {
  type: 'mqtt',
  configSchema: mqttConfigSchema,
  create(config, deps) {
    const { broker } = config;
    return 'embedded' in broker
      ? new EmbeddedBrokerSource(config, broker.embedded, deps)
      : new MqttClientSource(config, broker, deps);
  },
};

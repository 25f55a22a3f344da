/** The facts that somebody must act on. Each is journaled before it is delivered. */
export const EVENT_TYPES = [
  'SensorDataReceived',
  'DataProcessed',
  'AnomalyDetected',
  'AnomalyValidated',
  'MaintenancePredicted',
  'MaintenanceScheduled',
  'MaintenanceCompleted',
  'HumanDecisionRequested',
  'HumanDecisionSubmitted',
  'NotificationSent',
  'LearningDataCaptured',
  'ModelDriftDetected',
  'RetrainCompleted',
  'RetrainFailed',
  'ModelPromoted',
  'ModelRolledBack',
  'AlarmRaised',
  'AlarmAcknowledged',
  'AlarmReturnedToNormal',
  'AlarmShelved',
  'AlarmUnshelved',
  'AlarmSuppressed',
  'AlarmUnsuppressed',
  'AlarmRemovedFromService',
  'AlarmReturnedToService',
  'AlarmReset',
  'AlarmCommented',
  'AlarmLabelled',
  'PeriodLabelled',
  'SourceDegraded',
  'SourceRestored',
  'StorageDegraded',
  'StorageRestored',
  'SyncStalled',
  'PointWriteRequested',
  'PointWritten',
  'PointWriteFailed',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** The envelope that outsiders rely on: change it only by adding. */
export interface GatewayEvent {
  /** UUIDv7. */
  readonly id: string;
  readonly type: EventType;
  /** Version of the payload's form. */
  readonly version: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly gatewayId: string;
  /** Shared by everything that one input led to. */
  readonly correlationId: string;
  /** The event that led to this one. */
  readonly causationId?: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

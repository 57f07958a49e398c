// The timeouts and retries of each method: proto/frameway_v1_service_config.json.
export const serviceConfig = {
  "methodConfig": [
    {
      "name": [
        {"service": "frameway.v1.StreamingService", "method": "GetServerInfo"},
        {"service": "frameway.v1.StreamingService", "method": "ListFrames"},
        {"service": "frameway.v1.StreamRegistryService", "method": "GetStream"},
        {"service": "frameway.v1.StreamRegistryService", "method": "ListStreams"},
        {"service": "frameway.v1.ConsumerGroupService", "method": "GetConsumerGroup"},
        {"service": "frameway.v1.ConsumerGroupService", "method": "ListConsumerGroups"},
        {"service": "frameway.v1.ConsumerGroupService", "method": "ListConsumerGroupPositions"},
        {"service": "frameway.v1.DeadLetterService", "method": "ListDeadLetters"},
        {"service": "frameway.v1.QueueService", "method": "ListQueues"},
        {"service": "frameway.v1.QueueService", "method": "GetQueueStats"},
        {"service": "frameway.v1.QueueService", "method": "ListStreamStats"},
        {"service": "frameway.admin.v1beta1.AdminService", "method": "GetSystemMetrics"}
      ],
      "timeout": "20s",
      "retryPolicy": {
        "maxAttempts": 5,
        "initialBackoff": "0.2s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    },
    {
      "name": [
        {"service": "frameway.v1.StreamingService", "method": "GetFrames"},
        {"service": "frameway.v1.StreamingService", "method": "GetLatestFrames"},
        {"service": "frameway.v1.StreamRegistryService", "method": "EraseFrames"},
        {"service": "frameway.v1.DeadLetterService", "method": "GetDeadLetter"}
      ],
      "timeout": "60s",
      "retryPolicy": {
        "maxAttempts": 5,
        "initialBackoff": "0.2s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    },
    {
      "name": [
        {"service": "frameway.v1.StreamingService", "method": "AcknowledgeFrames"},
        {"service": "frameway.v1.StreamingService", "method": "RejectFrames"},
        {"service": "frameway.v1.StreamingService", "method": "ExtendAckDeadline"},
        {"service": "frameway.v1.StreamRegistryService", "method": "RegisterStream"},
        {"service": "frameway.v1.ConsumerGroupService", "method": "CreateConsumerGroup"},
        {"service": "frameway.v1.QueueService", "method": "PauseQueue"},
        {"service": "frameway.v1.QueueService", "method": "ResumeQueue"},
        {"service": "frameway.v1.QueueService", "method": "DrainQueue"}
      ],
      "timeout": "30s",
      "retryPolicy": {
        "maxAttempts": 5,
        "initialBackoff": "0.2s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    },
    {
      "name": [
        {"service": "frameway.v1.StreamingService", "method": "SubscribeFrames"},
        {"service": "frameway.v1.StreamRegistryService", "method": "WatchStreams"}
      ],
      "retryPolicy": {
        "maxAttempts": 5,
        "initialBackoff": "0.2s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
      }
    },
    {
      "name": [
        {"service": "frameway.v1.StreamingService", "method": "SubmitFrameBatch"},
        {"service": "frameway.v1.StreamRegistryService", "method": "UpdateStream"},
        {"service": "frameway.v1.StreamRegistryService", "method": "UnregisterStream"},
        {"service": "frameway.v1.ConsumerGroupService", "method": "UpdateConsumerGroup"},
        {"service": "frameway.v1.ConsumerGroupService", "method": "SeekConsumerGroup"},
        {"service": "frameway.v1.ConsumerGroupService", "method": "DeleteConsumerGroup"},
        {"service": "frameway.v1.DeadLetterService", "method": "ReplayDeadLetters"},
        {"service": "frameway.v1.DeadLetterService", "method": "DiscardDeadLetters"},
        {"service": "frameway.v1.QueueService", "method": "PurgeQueue"}
      ],
      "timeout": "60s"
    },
    {
      "name": [
        {"service": "frameway.v1.StreamingService", "method": "SubmitFrames"},
        {"service": "frameway.v1.StreamingService", "method": "ConsumeFrames"}
      ]
    }
  ],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
} as const;

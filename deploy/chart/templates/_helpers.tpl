{{/* Names and labels, as `helm create` makes them. */}}
{{- define "stream.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 52 characters at most: a StatefulSet's pods get a label with a hash behind its name. */}}
{{- define "stream.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* All pods of the release: the workers, and that of `helm test`. */}}
{{- define "stream.instance" -}}
app.kubernetes.io/name: {{ include "stream.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The workers. */}}
{{- define "stream.selector" -}}
{{ include "stream.instance" . }}
app.kubernetes.io/component: worker
{{- end }}

{{- define "stream.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "stream.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "stream.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "stream.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* repository:tag, or repository@digest: (dict "image" … "tag" …) */}}
{{- define "stream.image" -}}
{{- if .image.digest }}{{ .image.repository }}@{{ .image.digest }}{{ else }}{{ .image.repository }}:{{ .tag }}{{ end }}
{{- end }}

{{- define "stream.rulesConfigMap" -}}
{{- default (printf "%s-rules" (include "stream.fullname" .)) .Values.rules.configMap.name }}
{{- end }}

{{/* Where the rules are in the container. Git: behind the link that git-sync turns over. */}}
{{- define "stream.rulesPath" -}}
{{- if eq .Values.rules.source "git" }}/rules/current/{{ .Values.rules.git.path }}{{ else }}/rules{{ end }}
{{- end }}

{{/* The Kafka user of Strimzi's, and so its Secret. */}}
{{- define "stream.strimziUser" -}}
{{- include "stream.fullname" . }}
{{- end }}

{{/* "true" if a user of Strimzi's, whose Secret comes about in this namespace, is the one to log in with. */}}
{{- define "stream.ownUser" -}}
{{- if and .Values.strimzi.enabled .Values.strimzi.user.enabled (eq (default .Release.Namespace .Values.strimzi.namespace) .Release.Namespace) }}true{{ end }}
{{- end }}

{{/* kafka.* with what follows from Strimzi filled in, as YAML. */}}
{{- define "stream.kafka" -}}
{{- $kafka := deepCopy .Values.kafka }}
{{- if .Values.strimzi.enabled }}
{{- $namespace := default .Release.Namespace .Values.strimzi.namespace }}
{{- if not $kafka.bootstrap }}
{{- $_ := set $kafka "bootstrap" (printf "%s-kafka-bootstrap.%s:9093" .Values.strimzi.cluster $namespace) }}
{{- end }}
{{- if include "stream.ownUser" . }}
{{- $_ := set $kafka.auth "secret" (default (include "stream.strimziUser" .) $kafka.auth.secret) }}
{{- $_ := set $kafka.auth "username" (default (include "stream.strimziUser" .) $kafka.auth.username) }}
{{- end }}
{{- if and $kafka.tls.enabled (not $kafka.tls.caSecret) (eq $namespace .Release.Namespace) }}
{{- $_ := set $kafka.tls "caSecret" (printf "%s-cluster-ca-cert" .Values.strimzi.cluster) }}
{{- end }}
{{- end }}
{{- toYaml $kafka }}
{{- end }}

{{/* PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. */}}
{{- define "stream.protocol" -}}
{{- $sasl := not (has .auth.type (list "none" "tls")) }}
{{- if $sasl }}SASL_{{ end }}{{ if .tls.enabled }}SSL{{ else }}PLAINTEXT{{ end }}
{{- end }}

{{/* A quantity of memory in bytes: 2Gi, 512Mi, 1500M, 1073741824. */}}
{{- define "stream.bytes" -}}
{{- $quantity := toString . }}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- $number := regexFind "^[0-9.]+" $quantity }}
{{- $unit := trimPrefix $number $quantity }}
{{- if or (not $number) (not (hasKey $units $unit)) }}
{{- fail (printf "resources.limits.memory: %s should be like 2Gi or 2000M" $quantity) }}
{{- end }}
{{- mulf (float64 $number) (get $units $unit) | floor | int64 }}
{{- end }}

{{/* What cannot be said in a schema. Every problem is told, with what to change. */}}
{{- define "stream.validate" -}}
{{- $problems := list }}
{{- $kafka := include "stream.kafka" . | fromYaml }}
{{- if and .Values.strimzi.enabled (not .Values.strimzi.cluster) }}
{{- $problems = append $problems "strimzi.cluster is missing: the name of your Kafka resource" }}
{{- end }}
{{- if not $kafka.bootstrap }}
{{- $problems = append $problems "kafka.bootstrap is missing, such as --set kafka.bootstrap=kafka.kafka:9092" }}
{{- end }}
{{- if and (ne $kafka.auth.type "none") (not $kafka.auth.secret) }}
{{- $problems = append $problems (printf "kafka.auth.secret is missing: the Secret with what %s needs" $kafka.auth.type) }}
{{- end }}
{{- if and (not (has $kafka.auth.type (list "none" "tls"))) (not $kafka.auth.username) }}
{{- $problems = append $problems "kafka.auth.username is missing" }}
{{- end }}
{{- if and (eq $kafka.auth.type "tls") (not $kafka.tls.enabled) }}
{{- $problems = append $problems "kafka.auth.type tls needs kafka.tls.enabled: a certificate is shown within TLS" }}
{{- end }}
{{- if and (eq .Values.rules.source "configMap") (not .Values.rules.configMap.name) (not .Values.rules.configMap.files) }}
{{- $problems = append $problems "there are no rules: --set-file 'rules.configMap.files.shop\\.yaml=rules/shop.yaml', or rules.configMap.name, or rules.source=git" }}
{{- end }}
{{- if eq .Values.rules.source "git" }}
{{- if not .Values.rules.git.repository }}{{ $problems = append $problems "rules.git.repository is missing" }}{{ end }}
{{- if not .Values.rules.git.image.repository }}{{ $problems = append $problems "rules.git.image.repository is missing: git-sync, from where your cluster takes Kubernetes' own images" }}{{ end }}
{{- end }}
{{- if and (eq .Values.store.type "rocksdb") (not (dig "limits" "memory" "" .Values.resources)) }}
{{- $problems = append $problems "resources.limits.memory is missing: RocksDB's share is taken of it" }}
{{- end }}
{{- $most := ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled | int }}
{{- if gt $most (int .Values.topics.partitions) }}
{{- $problems = append $problems (printf "%d workers for %d partitions: those beyond would never become ready; fewer, or mend topics.partitions" $most (int .Values.topics.partitions)) }}
{{- end }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.replicas) $most) }}
{{- $problems = append $problems "autoscaling.maxReplicas is less than replicas, where it begins" }}
{{- end }}
{{- if ge (int .Values.standbyReplicas) (int .Values.replicas) }}
{{- $problems = append $problems (printf "standbyReplicas %d needs more workers than %d: a copy is another worker's" (int .Values.standbyReplicas) (int .Values.replicas)) }}
{{- end }}
{{- if gt (int .Values.topics.minInsyncReplicas) (int .Values.topics.replicas) }}
{{- $problems = append $problems "topics.minInsyncReplicas is more than topics.replicas: nothing could be written" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (eq .Values.autoscaling.trigger "prometheus") (not .Values.autoscaling.prometheus.serverAddress) }}
{{- $problems = append $problems "autoscaling.prometheus.serverAddress is missing" }}
{{- end }}
{{- if and .Values.strimzi.enabled (or .Values.strimzi.user.enabled .Values.strimzi.topics.enabled) (not .Values.topics.channels) }}
{{- $problems = append $problems "topics.channels is empty: name the topics of the rule files' `channels:`" }}
{{- end }}
{{- if and .Values.strimzi.enabled .Values.strimzi.user.enabled (not .Values.topics.sources) }}
{{- $problems = append $problems "topics.sources is empty: name the topics of the rule files' `sources:`" }}
{{- end }}
{{- range $name, $_ := .Values.settings }}
{{- if has $name (list "STREAM_BROKER" "STREAM_APP_ID" "STREAM_INSTANCE_ID" "STREAM_RULES" "STREAM_STORE" "STREAM_DATA_DIR" "STREAM_STORE_MEMORY" "STREAM_STORE_CUSTOMERS" "STREAM_STANDBY_REPLICAS" "STREAM_HTTP_HOST" "STREAM_HTTP_PORT" "STREAM_SECURITY_PROTOCOL") }}
{{- $problems = append $problems (printf "settings.%s has a value of its own in this chart" $name) }}
{{- else if eq $name "STREAM_TRACE_SHARE" }}
{{- $problems = append $problems "settings.STREAM_TRACE_SHARE: use tracing.share, and say in tracing.endpoint where spans go" }}
{{- else if or (hasPrefix "STREAM_SASL_" $name) (hasPrefix "STREAM_SSL_" $name) }}
{{- $problems = append $problems (printf "settings.%s: use kafka.tls and kafka.auth; secrets are given as files" $name) }}
{{- end }}
{{- end }}
{{- if and .Values.tracing.share (not .Values.tracing.endpoint) }}
{{- $problems = append $problems "tracing.endpoint is missing: where spans go, such as http://collector.monitoring:4318" }}
{{- end }}
{{- range .Values.extraEnv }}
{{- if hasPrefix "STREAM_" .name }}
{{- $problems = append $problems (printf "extraEnv: %s belongs into settings, or has a value of its own in this chart" .name) }}
{{- end }}
{{- end }}
{{- range concat .Values.sidecars .Values.initContainers }}
{{- if has .name (list "worker" "git-sync") }}
{{- $problems = append $problems (printf "sidecars, initContainers: %s is the name of a container of this chart" .name) }}
{{- end }}
{{- end }}
{{- range .Values.extraVolumes }}
{{- if has .name (list "rules" "tmp" "data" "auth" "ca" "git") }}
{{- $problems = append $problems (printf "extraVolumes: %s is the name of a volume of this chart" .name) }}
{{- end }}
{{- end }}
{{- range .Values.extraVolumeMounts }}
{{- $path := trimSuffix "/" .mountPath }}
{{- range $own := list "/rules" "/tmp" "/var/lib/stream" "/etc/stream" }}
{{- if or (eq $path $own) (hasPrefix (printf "%s/" $own) $path) (hasPrefix (printf "%s/" $path) $own) }}
{{- $problems = append $problems (printf "extraVolumeMounts: %s would hide %s of this chart" $path $own) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (or .Values.monitoring.podMonitor.enabled .Values.monitoring.serviceMonitor.enabled) .Values.networkPolicy.enabled (not .Values.networkPolicy.scrapers) }}
{{- $problems = append $problems "networkPolicy.scrapers is empty: nobody could read the metrics; name Prometheus' namespace, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]" }}
{{- end }}
{{- if and .Values.monitoring.podMonitor.enabled .Values.monitoring.serviceMonitor.enabled }}
{{- $problems = append $problems "monitoring.podMonitor and monitoring.serviceMonitor: one of them, or every sample is there twice" }}
{{- end }}
{{- if $problems }}
{{- fail (printf "\n  %s\n" (join "\n  " $problems)) }}
{{- end }}
{{- end }}

{{/* A topic's name as the name of a resource; one that had to be changed gets a few digits, to stay distinct. */}}
{{- define "stream.topicResource" -}}
{{- $safe := lower . | replace "_" "-" | trunc 240 | trimAll "-." }}
{{- if eq $safe . }}{{ $safe }}{{ else }}{{ printf "%s-%s" $safe (sha256sum . | trunc 8) }}{{ end }}
{{- end }}

{{/* Names and labels, the same everywhere. */}}

{{- define "usher.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 52 characters leave room for what follows a name, as -cluster. */}}
{{- define "usher.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "usher.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "usher.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What never changes in a release, and so may select. */}}
{{- define "usher.selectorLabels" -}}
app.kubernetes.io/name: {{ include "usher.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "usher.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "usher.labels" -}}
{{ include "usher.selectorLabels" . }}
{{ include "usher.commonLabels" . }}
{{- end -}}

{{- define "usher.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "usher.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "usher.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What a container may do: nothing. */}}
{{- define "usher.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Who a pod is: a number that owns nothing; its group may read the secrets. */}}
{{- define "usher.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Host and path of config.server.public_url; the path without a slash at its end. */}}
{{- define "usher.publicHost" -}}
{{- regexReplaceAll ":[0-9]+$" (urlParse .Values.config.server.public_url).host "" -}}
{{- end -}}
{{- define "usher.publicPath" -}}
{{- (urlParse .Values.config.server.public_url).path | trimSuffix "/" -}}
{{- end -}}

{{/* Whether pods share their sessions. */}}
{{- define "usher.clustered" -}}
{{- if dig "cluster" "url" "" .Values.config }}true{{ end -}}
{{- end -}}

{{/* The port of config.cluster.url, or Redis' own. */}}
{{- define "usher.storePort" -}}
{{- default "6379" (regexFind "[0-9]+$" (regexFind ":[0-9]+$" (urlParse .Values.config.cluster.url).host)) -}}
{{- end -}}

{{/* An address with its port, as Usher reads it: IPv6 in brackets. */}}
{{- define "usher.listen" -}}
{{- if contains ":" .root.Values.listenAddress -}}
{{- printf "[%s]:%v" .root.Values.listenAddress .port -}}
{{- else -}}
{{- printf "%s:%v" .root.Values.listenAddress .port -}}
{{- end -}}
{{- end -}}

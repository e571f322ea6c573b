"""Where utterances come from: bundled speech, a manifest, an audio folder, a Hugging Face dataset; all streaming."""

from askd_bench.corpora.base import Corpus
from askd_bench.corpora.opening import CorpusEntry, list_corpora, open_corpus, open_stored
from askd_bench.corpora.selection import SEED_RULE, select

__all__ = ["SEED_RULE", "Corpus", "CorpusEntry", "list_corpora", "open_corpus", "open_stored", "select"]

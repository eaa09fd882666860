"""placeholder"""
def download(name, folder): raise NotImplementedError
